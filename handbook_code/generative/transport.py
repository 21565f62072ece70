"""Entropic optimal transport of clouds of points, and what removes its bias.

First and second derivatives are those of the converged problem; a third is
not. Nothing depends on a tensor's value: no synchronisation, one graph,
``vmap``.
"""

import torch
from torch import Tensor

from handbook_code._across import across
from handbook_code._fused import fused
from handbook_code._reduce import no_autocast
from handbook_code.generative import _across_transport as over
from handbook_code.generative import _fast_transport as fast
from handbook_code.generative._clouds import check_clouds


@across(over.entropic)
@fused(fast.entropic, "x", "y", "a", "b", when=fast.of_points)
def entropic_transport(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    cost: Tensor | None = None,
    iterations: int = 100,
) -> Tensor:
    """The least cost of moving one cloud onto another by a blurred plan.

    OT = min Σᵢⱼ πᵢⱼ Cᵢⱼ + ε KL(π‖a⊗b),  Σⱼ πᵢⱼ = aᵢ,  Σᵢ πᵢⱼ = bⱼ

    C is ‖xᵢ − yⱼ‖² and KL(π‖a⊗b) = Σᵢⱼ πᵢⱼ log(πᵢⱼ / aᵢbⱼ). A cloud does not
    have cost zero to itself; ``sinkhorn_divergence`` does.

    Args:
        x: points, (N, D).
        y: points of the same space, (M, D).
        epsilon: ε > 0, in the unit of the cost, here the square of the
            points'. Far above the costs all is moved to everywhere, far
            below them the plan is the exact one.
        a: what each point of x weighs, (N,), at least 0, not all 0; divided
            by their sum. If None, all weigh the same.
        b: the same for y, (M,).
        cost: C, (N, M), in place of the squared distance. Then x and y only
            say how many there are, and have no gradient.
        iterations: rounds of Sinkhorn's loop, of N M operations each; after
            them, the cube of the smaller number is spent once on second
            derivatives. In the first half ε comes down from the spread (the
            largest cost less the least). What is left grows as ε falls: of
            the value, some 1e-4 of the spread where ε is a thousandth of it,
            up to 1e-3 where it is a ten-thousandth. The sums of
            ``transport_plan`` show it.
        group: the processes on which the points and weights lie, each with
            its part. The value is that of the whole clouds; the gradient in
            a part is multiplied by their number, which
            ``DistributedDataParallel`` divides by.
            Without ``cost``.

    Returns:
        One number, a lower bound of the minimum that is tight when the loop
        has converged; at least 0 if no cost is negative. An empty cloud
        costs 0.

    Raises:
        TypeError: if a tensor is not floating-point, or ε or the count no
            number.
        ValueError: if shapes or devices do not fit, or ε or the count is not
            positive.

    Reference:
        Cuturi (2013), Sinkhorn distances: Lightspeed computation of optimal
        transport.

    >>> x, y = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    >>> entropic_transport(x, y, epsilon=0.1)
    tensor(25.)
    """
    dtype, *problem = _problem(x, y, epsilon, a, b, cost, iterations)
    return _value(*problem, epsilon, iterations).to(dtype)


def transport_plan(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    cost: Tensor | None = None,
    iterations: int = 100,
) -> Tensor:
    """Who sends how much to whom, under the plan of ``entropic_transport``.

    πᵢⱼ = aᵢ bⱼ exp((fᵢ + gⱼ − Cᵢⱼ) / ε)

    Args:
        x: points, (N, D).
        y: points of the same space, (M, D).
        epsilon: ε > 0, in the unit of the cost.
        a: what each point of x weighs, (N,), as in ``entropic_transport``.
        b: the same for y, (M,).
        cost: C, (N, M), in place of the squared distance.
        iterations: rounds of Sinkhorn's loop.

    Returns:
        π, (N, M), of sum 1. The sums over the smaller cloud (over y, if both
        are equal) are exact. The others come as near as the loop has
        converged: ``(plan.sum(0) - b).abs().sum()`` is the share of mass that
        goes astray, twice. The derivative is that of the converged plan.

    Raises:
        TypeError: if a tensor is not floating-point, or ε or the count no
            number.
        ValueError: if shapes or devices do not fit, or ε or the count is not
            positive.

    Reference:
        Cuturi (2013), Sinkhorn distances: Lightspeed computation of optimal
        transport.

    >>> x, y = torch.tensor([[[0.0], [1.0]], [[1.1], [0.1]]])
    >>> transport_plan(x, y, epsilon=0.01).round(decimals=3)
    tensor([[0.0000, 0.5000],
            [0.5000, 0.0000]])
    """
    dtype, *problem = _problem(x, y, epsilon, a, b, cost, iterations)
    return _plan(*problem, epsilon, iterations).to(dtype)


@across(over.divergence)
@fused(fast.divergence, "x", "y", "a", "b")
def sinkhorn_divergence(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    iterations: int = 100,
) -> Tensor:
    """Entropic transport less what either cloud costs to itself.

    S = OT(α, β) − ½ OT(α, α) − ½ OT(β, β)

    Args:
        x: the points of α, (N, D).
        y: the points of β, of the same space, (M, D).
        epsilon: ε > 0, in the unit of squared distance. At 0 it would be
            exact transport, at infinity the squared distance of the means.
        a: what each point of x weighs, (N,), at least 0, not all 0; divided
            by their sum. If None, all weigh the same.
        b: the same for y, (M,).
        iterations: rounds of Sinkhorn's loop, as in ``entropic_transport``.
        group: the processes on which the points and weights lie, each with
            its part. The value is that of the whole clouds; the gradient in
            a part is multiplied by their number, which
            ``DistributedDataParallel`` divides by.

    Returns:
        One number, ≥ 0 but for what the loop has left, and exactly 0 for two
        equal tensors. An empty cloud costs 0.

    Raises:
        TypeError: if a tensor is not floating-point, or ε or the count no
            number.
        ValueError: if shapes or devices do not fit, or ε or the count is not
            positive.

    Reference:
        Feydy, Séjourné, Vialard, Amari, Trouvé, Peyré (2019), Interpolating
        between optimal transport and MMD using Sinkhorn divergences.

    >>> x = torch.tensor([[0.0, 0.0], [1.0, 2.0], [5.0, 1.0]])
    >>> shift = torch.tensor([3.0, 4.0])
    >>> sinkhorn_divergence(x, x + shift, epsilon=0.1).round(decimals=3)
    tensor(25.)
    """
    dtype, C, a, b = _problem(x, y, epsilon, a, b, None, iterations)
    x, y = x.to(C), y.to(C)
    between = _value(C, a, b, epsilon, iterations)
    within = _value(_squares(x, x), a, a, epsilon, iterations)
    within = within + _value(_squares(y, y), b, b, epsilon, iterations)
    return (between - within / 2).to(dtype)


def _value(
    C: Tensor, a: Tensor, b: Tensor, epsilon: float, iterations: int
) -> Tensor:
    """The dual value, with the first two derivatives of the minimum."""
    if not C.numel():
        return C.sum() + a.sum() * 0 + b.sum() * 0
    if C.shape[0] < C.shape[1]:
        return _value(C.mT, b, a, epsilon, iterations)
    f, g = _potentials(C, a, b, epsilon, iterations)
    e, rows = _scaling(C, b, f, g, epsilon)
    missing, answer = _response(e, rows, a, b, epsilon)
    dual = (a * (f - epsilon * rows.log())).sum() + (b * g).sum()
    # Nothing in value and slope: the potentials are where the dual is flat.
    return dual + (b * missing * answer).sum() / 2


def _plan(
    C: Tensor, a: Tensor, b: Tensor, epsilon: float, iterations: int
) -> Tensor:
    if not C.numel():
        return C
    if C.shape[0] < C.shape[1]:
        return _plan(C.mT, b, a, epsilon, iterations).mT
    f, g = _potentials(C, a, b, epsilon, iterations)
    _, answer = _response(*_scaling(C, b, f, g, epsilon), a, b, epsilon)
    e, rows = _scaling(C, b, f, g + answer, epsilon)
    return a[:, None] * b * e / rows[:, None]


def _potentials(
    C: Tensor, a: Tensor, b: Tensor, epsilon: float, iterations: int
) -> tuple[Tensor, Tensor]:
    """Sinkhorn's loop: f and g in turn, or half of both while ε comes down.

    Two equal clouds keep equal potentials on the way down, and these converge
    fast whatever ε is.
    """
    C, log_a, log_b = C.detach(), a.detach().log(), b.detach().log()
    spread = (C.amax() - C.amin()).clamp(min=epsilon)
    f, g = torch.zeros_like(log_a), torch.zeros_like(log_b)
    falling = iterations // 2
    for k in range(falling):
        t = spread * (epsilon / spread) ** (k / falling)
        to_x = _soft_minimum(C / t, g, log_b, t)
        to_y = _soft_minimum((C / t).mT, f, log_a, t)
        f, g = (f + to_x) / 2, (g + to_y) / 2
    scaled = C / epsilon
    for _ in range(iterations - falling):
        f = _soft_minimum(scaled, g, log_b, epsilon)
        g = _soft_minimum(scaled.mT, f, log_a, epsilon)
    return f, g


def _soft_minimum(
    scaled: Tensor, g: Tensor, log_b: Tensor, t: Tensor | float
) -> Tensor:
    """Of C − g over y, weighted by b; C comes divided by t."""
    return -t * (g / t + log_b - scaled).logsumexp(1)


def _scaling(
    C: Tensor, b: Tensor, f: Tensor, g: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    """exp((f + g − C) / ε), and its sum over y: 1 if converged."""
    # Only between points of no weight could it be larger than exp(80).
    e = ((f[:, None] + g - C) / epsilon).clamp(max=80).exp()
    return e, (b * e).sum(1)


def _response(
    e: Tensor, rows: Tensor, a: Tensor, b: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    """What y misses, and how g answers: zeros with the right derivatives.

    By the implicit function theorem, of the marginals as functions of g.
    """
    share = a[:, None] * e / rows[:, None]
    arrived = share.sum(0)
    missing = arrived.detach() - arrived
    with_b = (b * e / rows[:, None]).detach()
    with no_autocast(e):
        system = b.detach() - (share / arrived).detach().mT @ with_b
    # Above 1: if the plan falls into islands, the system is singular.
    nudge = 1 + 8 * torch.finfo(e.dtype).eps
    system = system + nudge * torch.diag(torch.ones_like(b))
    answer, _ = torch.linalg.solve_ex(system, missing)
    return missing, epsilon * answer


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances, as exact far from the origin as near it."""
    if not len(x) * len(y):
        return x @ y.mT
    middle = torch.cat([x, y]).mean(0).detach()
    x, y = x - middle, y - middle
    # Autocast would round the products.
    with no_autocast(x):
        products = x @ y.mT
    return x.square().sum(1)[:, None] + y.square().sum(1) - 2 * products


def _problem(
    x: Tensor,
    y: Tensor,
    epsilon: float,
    a: Tensor | None,
    b: Tensor | None,
    cost: Tensor | None,
    iterations: int,
) -> tuple[torch.dtype, Tensor, Tensor, Tensor]:
    """The checked arguments as dtype, C, a and b."""
    dtype, x, y, a, b, cost = check_clouds(
        x, y, epsilon, a, b, cost, iterations
    )
    return dtype, _squares(x, y) if cost is None else cost, a, b

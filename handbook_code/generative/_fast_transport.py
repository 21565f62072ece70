"""Entropic transport with its slopes, by blocks of the plan.

No N×M tensor: a block of exp((f + g − C) / t) gives its part of both soft
minima, and is forgotten.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from handbook_code._fused import block
from handbook_code._reduce import no_autocast
from handbook_code.generative._clouds import check_clouds

Slopes = tuple[Tensor, tuple[Tensor | None, ...]]


def of_points(*args, cost: Tensor | None = None, **keywords) -> bool:
    return cost is None


def entropic(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    cost: None = None,
    iterations: int = 100,
    wanted: tuple[bool, ...],
) -> Slopes:
    given = a, b
    dtype, x, y, a, b, _ = check_clouds(x, y, epsilon, a, b, None, iterations)
    value, slopes = _transport(x, y, a, b, epsilon, iterations)
    return value.to(dtype), _asked_for(slopes, (a, b), given, wanted)


def divergence(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    iterations: int = 100,
    wanted: tuple[bool, ...],
) -> Slopes:
    given = a, b
    dtype, x, y, a, b, _ = check_clouds(x, y, epsilon, a, b, None, iterations)
    value, slopes = _transport(x, y, a, b, epsilon, iterations)
    within_x, of_x = _transport(x, x, a, a, epsilon, iterations)
    within_y, of_y = _transport(y, y, b, b, epsilon, iterations)
    slopes = [
        slope - (twice[k] + twice[k + 1]) / 2
        for slope, twice, k in zip(
            slopes, (of_x, of_y, of_x, of_y), (0, 0, 2, 2), strict=True
        )
    ]
    value = value - (within_x + within_y) / 2
    return value.to(dtype), _asked_for(slopes, (a, b), given, wanted)


def _asked_for(
    slopes: Sequence[Tensor],
    weights: tuple[Tensor, Tensor],
    given: tuple[Tensor | None, Tensor | None],
    wanted: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Those; in the weights as they were given, not of sum 1."""
    slopes = list(slopes)
    for k, (w, raw) in enumerate(zip(weights, given, strict=True), 2):
        if wanted[k]:
            slope = slopes[k] - (w * slopes[k]).sum()
            slopes[k] = slope / raw.to(slope.dtype).sum()
    return tuple(
        slope if want else None
        for slope, want in zip(slopes, wanted, strict=True)
    )


def _transport(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: float,
    iterations: int,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The dual value, and its slopes in x, y, a and b.

    dC = π, whatever the potentials do: there the dual is flat.
    So dxᵢ = 2 Σⱼ πᵢⱼ (xᵢ − yⱼ), and likewise dyⱼ.
    """
    if len(x) < len(y):
        value, slopes = _transport(y, x, b, a, epsilon, iterations)
        return value, tuple(slopes[k] for k in (1, 0, 3, 2))
    middle = torch.cat([x, y]).mean(0)
    x, y = x - middle, y - middle
    with no_autocast(x):
        low, spread = _range(x, y, epsilon)
        f, g = (torch.zeros_like(w) + low / 2 for w in (a, b))
        schedule = _schedule(spread, epsilon, iterations)
        f, g = _potentials(x, y, a, b, f, g, schedule)
        rows, arrived = torch.empty_like(f), torch.zeros_like(g)
        in_x, in_y = torch.empty_like(x), torch.zeros_like(y)
        by = b[:, None] * y
        for some, e in _blocks(x, y, _exponents(x, y, f, g, epsilon)):
            # Only between points of no weight could it be larger than 80.
            e.clamp_(min=-80, max=80).exp_()
            torch.mv(e, b, out=rows[some])
            share = a[some] / rows[some]
            torch.mm(e, by, out=in_x[some]).mul_(share[:, None])
            arrived.addmv_(e.T, share)
            in_y.addmm_(e.T, share[:, None] * x[some])
    f = f - epsilon * rows.log()
    value = (a * f).sum() + (b * g).sum()
    in_x = 2 * (a[:, None] * x - in_x)
    in_y = 2 * b[:, None] * (arrived[:, None] * y - in_y)
    return value, (in_x, in_y, f, g - epsilon * arrived)


def _schedule(
    spread: Tensor, epsilon: float, iterations: int
) -> Iterator[tuple[Tensor | float, bool]]:
    """Each round's t, and whether both potentials go half of the way."""
    falling = iterations // 2
    for k in range(falling):
        yield spread * (epsilon / spread) ** (k / falling), True
    for _ in range(iterations - falling):
        yield epsilon, False


def _potentials(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    f: Tensor,
    g: Tensor,
    schedule: Iterator[tuple[Tensor | float, bool]],
) -> tuple[Tensor, Tensor]:
    """Sinkhorn's loop.

    The soft minimum of C − g is f − t log r, with r the rows' sums of
    b exp((f + g − C) / t). Once f is that, the columns' sums are those of
    the same exponentials, with a / r for a.
    """
    for t, half in schedule:
        r, q = torch.empty_like(f), torch.zeros_like(g)
        for some, e in _blocks(x, y, _exponents(x, y, f, g, t)):
            # Smaller than exp(-87), numbers are 200 times as slow.
            e.clamp_(min=-80).exp_()
            torch.mv(e, b, out=r[some])
            q.addmv_(e.T, a[some] if half else a[some] / r[some])
        if _sound(r, q):
            part = t / 2 if half else t
            f, g = f - part * r.log(), g - part * q.log()
        else:
            f, g = _carefully(x, y, a, b, f, g, t, half)
    return f, g


def _sound(*sums: Tensor) -> bool:
    """Whether no exponential that counts was too large or too small."""
    least, most = torch.cat(sums).aminmax()
    return bool((least > 1e-20) & (most < 1e30))


def _carefully(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    f: Tensor,
    g: Tensor,
    t: Tensor | float,
    half: bool,
) -> tuple[Tensor, Tensor]:
    """The same round, with each sum's largest exponent taken out."""
    to_x = _soft_minimum(x, y, b, g, t)
    to_y = _soft_minimum(y, x, a, f if half else to_x, t)
    return ((f + to_x) / 2, (g + to_y) / 2) if half else (to_x, to_y)


def _soft_minimum(
    x: Tensor, y: Tensor, b: Tensor, g: Tensor, t: Tensor | float
) -> Tensor:
    """Of C − g over y, weighted by b."""
    result = torch.empty_like(x[:, 0])
    zero, weighted = torch.zeros_like(result), g + t * b.log()
    for some, e in _blocks(x, y, _exponents(x, y, zero, weighted, t)):
        top = e.amax(1, keepdim=True)
        total = e.sub_(top).clamp_(min=-80).exp_().sum(1, keepdim=True)
        torch.add(top, total.log_(), out=result[some, None])
    return -t * result


def _range(x: Tensor, y: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The least cost, and how much larger the largest is; at least ε."""
    zeros = x.new_zeros(len(x)), x.new_zeros(len(y))
    ends = [
        torch.stack(e.aminmax())
        for _, e in _blocks(x, y, _exponents(x, y, *zeros, 1.0))
    ]
    ends = torch.stack(ends)
    least = -ends[:, 1].amax()
    return least, (-ends[:, 0].amin() - least).clamp(min=epsilon)


def _exponents(
    x: Tensor, y: Tensor, f: Tensor, g: Tensor, t: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Factors of (f + g − C) / t: C is ‖x‖² + ‖y‖² − 2 x·y."""
    own_x = ((f - x.square().sum(1)) / t)[:, None]
    own_y = ((g - y.square().sum(1)) / t)[:, None]
    left = torch.cat([2 * x / t, own_x, torch.ones_like(own_x)], 1)
    right = torch.cat([y, torch.ones_like(own_y), own_y], 1)
    return left, right.T


def _blocks(
    x: Tensor, y: Tensor, factors: tuple[Tensor, Tensor]
) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time of the factors' product, in the same memory."""
    left, right = factors
    rows = max(1, 4 * block(x) // len(y))
    store = x.new_empty(min(rows, len(x)) * len(y))
    for i in range(0, len(x), rows):
        some = slice(i, i + rows)
        e = store[: len(left[some]) * len(y)].view(-1, len(y))
        yield some, torch.mm(left[some], right, out=e)

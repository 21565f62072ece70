"""A property is a function that tells, from values alone, if a loss has it.

``loss`` gives one value per sample; ``input`` is a row for each.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Values = Callable[..., Tensor]
WALKS = 50


def slope(loss: Values, input: Tensor, *rest: Tensor) -> Tensor:
    input = input.detach().requires_grad_()
    return torch.autograd.grad(loss(input, *rest).sum(), input)[0]


def symmetric(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """The first two points may be exchanged."""
    if not alike(input, *rest):
        return False
    exchanged = loss(rest[0], input, *rest[1:])
    return torch.allclose(exchanged, loss(input, *rest))


def convex(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """No chord lies below the graph, in the first argument."""
    other = input.roll(1, dims=0)
    ends = loss(input, *rest) + loss(other, *rest)
    middle = loss((input + other) / 2, *rest)
    return bool((middle <= ends / 2 + 1e-9).all())


def lipschitz(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """The slope is bounded, however far away or small the prediction."""
    tiny, small, large, huge = (
        slope(loss, c * input, *rest).abs().max()
        for c in (1e-6, 1e-3, 1e3, 1e6)
    )
    bound = 2 * torch.maximum(small, large)
    if not (bound.isfinite() and torch.maximum(tiny, huge) <= bound):
        return False
    return not steepens(loss, input, *rest)


def differentiable(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """Walking from one prediction to another, the slope never jumps."""
    return not jumps(slope_on_walks(loss, input, *rest))


def smooth(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """Nor does the curvature."""
    pull = slope_on_walks(loss, input, *rest)
    return not jumps(pull) and not jumps(pull.diff(dim=0))


def homogeneous(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """In other units of all points it is the same, but a factor."""
    if not alike(input, *rest):
        return False
    scaled = [2 * x if alike(input, x) else x for x in rest]
    once, twice = loss(input, *rest), loss(2 * input, *scaled)
    return torch.allclose(twice, once * (twice.sum() / once.sum()))


def scale_invariant(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """The length of the prediction does not count."""
    return torch.allclose(loss(2 * input, *rest), loss(input, *rest))


def translation_invariant(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """All points may be moved together."""
    if not alike(input, *rest):
        return False
    moved = [x + 1 if alike(input, x) else x for x in rest]
    return torch.allclose(loss(input + 1, *moved), loss(input, *rest))


def alike(input: Tensor, *rest: Tensor) -> bool:
    """Whether the second argument is another point of the same space.

    A target of two values only is a label, and no prediction.
    """
    return (
        len(rest) > 0
        and input.shape == rest[0].shape
        and input.dtype == rest[0].dtype
        and rest[0].unique().numel() > 2
    )


def slope_on_walks(loss: Values, input: Tensor, *rest: Tensor) -> Tensor:
    """The slope along straight lines, of shape (steps, walks)."""
    steps = 2_000
    times = torch.arange(steps + 1).double().view(-1, 1) / steps
    return slope_at(times.expand(-1, WALKS), loss, input, *rest) / steps


def slope_at(
    times: Tensor, loss: Values, input: Tensor, *rest: Tensor
) -> Tensor:
    """The slope at these parts, (steps, walks), of straight lines.

    Half of the walks go to the target, if there is one, and a bit beyond.
    """
    start, end = input[:WALKS], input[WALKS : 2 * WALKS].clone()
    if alike(input, *rest):
        end[::2] = (1.1 * rest[0][:WALKS] - 0.1 * start)[::2]
    way = end - start
    t = times.view(*times.shape, *[1] * (input.dim() - 1)).to(input.dtype)
    path = (start + t * way).flatten(0, 1)
    steps = len(times)
    fixed = [x[:WALKS].repeat(steps, *[1] * (x.dim() - 1)) for x in rest]
    pull = slope(loss, path, *fixed).unflatten(0, times.shape) * way
    pull = pull.reshape(*times.shape, -1).sum(-1)
    assert pull.isfinite().all(), "a walk left the domain of the loss"
    return pull


def steepens(loss: Values, input: Tensor, *rest: Tensor) -> bool:
    """Whether the closer one looks the steeper it is, as a root at zero."""
    low, high = torch.zeros(WALKS).double(), torch.ones(WALKS).double()
    peaks = []
    parts = torch.arange(101).double().view(-1, 1) / 100
    for _ in range(5):
        times = torch.lerp(low, high, parts)
        peak, at = slope_at(times, loss, input, *rest).abs().max(dim=0)
        peaks.append(peak)
        centre, step = times.gather(0, at[None])[0], (high - low) / 100
        low, high = centre - step, centre + step
    *_, far, near, nearest = peaks
    return bool(((near > 2 * far) & (nearest > 2 * near)).any())


def jumps(path: Tensor) -> bool:
    """Whether one of 2,000 steps is a tenth of all there is to climb."""
    climb = path.amax(dim=0) - path.amin(dim=0)
    steps = path.diff(dim=0).abs().amax(dim=0)
    return bool((steps > 0.1 * climb + 1e-9 * path.abs().max()).any())


PROPERTIES: dict[str, Callable[..., bool]] = {
    check.__name__.replace("_", " "): check
    for check in (
        symmetric,
        convex,
        lipschitz,
        differentiable,
        smooth,
        homogeneous,
        scale_invariant,
        translation_invariant,
    )
}

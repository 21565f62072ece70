"""Exact Euclidean distances to a region, computed where the tensor lives.

The square of a distance is a sum over the axes, so that one axis after the
other can be searched: along the last a running maximum finds the nearest
pixel, along every other one all pixels of a line are tried, so few at a time
that no table of all pairs is held. No value is read back.
"""

from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

from handbook_code._checks import check_positive
from handbook_code._fused import may_pass
from handbook_code.classification import _fast_distances as fast

# So many sums at a time: what fits a processor's cache, or fills a card.
BLOCK_ON_CPU, BLOCK_ELSEWHERE = 2**17, 2**24


def pixel(spacing: float | Sequence[float] | None, axes: int) -> list[float]:
    """The size of a pixel along each axis of the image."""
    if spacing is None:
        return [1.0] * axes
    if isinstance(spacing, Real):
        check_positive(spacing=float(spacing))
        return [float(spacing)] * axes
    if not isinstance(spacing, Sequence):
        raise TypeError(
            "spacing: expected a number or a sequence of numbers, "
            f"got {type(spacing).__name__}"
        )
    if len(spacing) != axes:
        raise ValueError(
            f"spacing: expected one number, or one for each of {axes} axes, "
            f"got {len(spacing)}"
        )
    # The header of a scan holds numbers of numpy's.
    sizes = [float(s) if isinstance(s, Real) else s for s in spacing]
    for size in sizes:
        check_positive(spacing=size)
    return sizes


def squared_to_other_side(
    inside: Tensor, size: Sequence[float], dtype: torch.dtype
) -> Tensor:
    """The squared distance of each pixel to the nearest one of the other side.

    ``inside`` is boolean, (…, *image), with as many axes of an image as there
    are sizes of a pixel. Where there is no other side, the distance is the
    diagonal of the image, which is farther than any pixel.
    """
    if not inside.numel():
        return inside.to(dtype)
    if inside.is_cpu and may_pass(inside, known=inside):
        return fast.squared_to_other_side(inside, size, dtype)
    image = inside.shape[inside.dim() - len(size) :]
    far = sum((s * n) ** 2 for s, n in zip(size, image, strict=True))
    squared = _along_last(torch.stack([~inside, inside]), size[-1], dtype)
    squared = squared.clamp(max=far)
    for axis in range(-2, -1 - len(size), -1):
        lines = squared.transpose(axis, -1).contiguous()
        squared = _lower_envelope(lines, size[axis]).transpose(axis, -1)
    to_outside, to_inside = squared
    return torch.where(inside, to_outside, to_inside)


def _along_last(there: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """Squared distances within lines, infinite where a line has nothing."""
    place = torch.arange(there.shape[-1], device=there.device, dtype=dtype)
    never = torch.full_like(place, float("inf"))
    before = torch.where(there, place, -never).cummax(-1).values
    after = torch.where(there, place, never).flip(-1).cummin(-1).values
    nearest = torch.minimum(place - before, after.flip(-1) - place)
    return (step * nearest) ** 2


def _lower_envelope(heights: Tensor, step: float) -> Tensor:
    """The least of all parabolas that stand on the heights of a line."""
    length = heights.shape[-1]
    offsets = torch.arange(length, device=heights.device, dtype=heights.dtype)
    block = BLOCK_ON_CPU if heights.is_cpu else BLOCK_ELSEWHERE
    rows = max(1, block // heights.numel())
    if torch.compiler.is_compiling():
        rows = length  # the compiler joins sum and minimum, and stores none
    return torch.cat(
        [
            (
                heights.unsqueeze(-2)
                + (step * (some.unsqueeze(-1) - offsets)) ** 2
            ).amin(-1)
            for some in offsets.split(rows)
        ],
        -1,
    )

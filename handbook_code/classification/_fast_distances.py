"""Exact squared distances, looking only as far as it can matter.

Where to look depends on what was found, so this is for a processor: a card
would have to wait for each answer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from handbook_code._fused import block

INFINITY = float("inf")


def squared_to_other_side(
    inside: Tensor, size: Sequence[float], dtype: torch.dtype
) -> Tensor:
    image = inside.shape[inside.dim() - len(size) :]
    far = sum((s * n) ** 2 for s, n in zip(size, image, strict=True))
    axis = -len(size) - 1
    if inside.dim() >= len(size) + 1 and inside.shape[axis] == 2:
        one, other = inside.split(1, axis)
        if torch.equal(one, ~other):  # each is the other's other side
            one = squared_to_other_side(one, size, dtype)
            return one.expand_as(inside)
    inside = inside.contiguous()
    within = _along_last(inside, size[-1], dtype).clamp_(max=far)
    to_outside = within * inside
    both = torch.stack([to_outside, within.sub_(to_outside)])
    for axis in range(-2, -1 - len(size), -1):
        across = both.shape[axis + 1 :].numel()
        lines = both.view(-1, both.shape[axis], across)
        some = max(1, block(both) // lines[0].numel())
        part = max(1, block(both) // lines.shape[1])
        for images in lines.split(some):
            for columns in images.split(part, -1):
                _to_lower_envelope(columns, size[axis])
    return both[0].add_(both[1])  # one of them is 0


def _along_last(inside: Tensor, step: float, dtype: torch.dtype) -> Tensor:
    """Squared distances within lines, infinite in a line of one side only."""
    width = inside.shape[-1]
    starts = torch.ones_like(inside)  # of a run of pixels of one side
    torch.ne(inside[..., 1:], inside[..., :-1], out=starts[..., 1:])
    start = starts.view(-1).nonzero().squeeze(-1)
    end = torch.cat([start[1:], start.new_tensor([inside.numel()])])
    before = (start % width - 1).to(dtype)
    before.masked_fill_(before < 0, -INFINITY)
    after = ((end - 1) % width + 1).to(dtype)
    after.masked_fill_(after == width, INFINITY)
    before, after = (
        x.repeat_interleave(end - start).view(inside.shape)
        for x in (before, after)
    )
    place = torch.arange(width, dtype=dtype, device=inside.device)
    nearest = torch.minimum(after.sub_(place), place - before, out=after)
    return nearest.mul_(step).square_()


def _to_lower_envelope(heights: Tensor, step: float) -> None:
    """The least of all parabolas that stand on the heights of a line.

    Lines go along the middle axis. From near to far, as long as a parabola
    may be lower than what was found; or, if few places of the lines have one
    that matters, and far from others, from place to place.
    """
    low, high = (float(x) for x in heights.aminmax())
    if low == high:
        return
    length = heights.shape[1]
    useful = (heights < high).any(-1).any(0).nonzero().squeeze(-1).tolist()
    first, end = useful[0], useful[-1] + 1
    source = heights.contiguous()
    found, raised = source.clone(), torch.empty_like(source)
    if len(useful) < max(first, length - end):
        place = torch.arange(length, device=source.device).unsqueeze(1)
        for a in useful:
            rise = (step * (place - a)).to(source.dtype).square_()
            torch.add(source[:, a : a + 1], rise, out=raised)
            torch.minimum(found, raised, out=found)
        heights.copy_(found)
        return
    source, raised = source[:, :end], raised[:, :end]
    for away in range(1, length):
        rise = (step * away) ** 2
        if away % 4 == 1 and rise >= float(found.max()) - low:
            break
        torch.add(source, rise, out=raised)
        for shift in (away, -away):
            a, b = max(first, -shift), min(end, length - shift)
            if a < b:
                target = found[:, a + shift : b + shift]
                torch.minimum(target, raised[:, a:b], out=target)
    heights.copy_(found)

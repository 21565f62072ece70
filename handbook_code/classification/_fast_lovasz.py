"""Lovász losses with their slopes, a class at a time."""

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._reduce import reduce, widen
from handbook_code.classification._counts import rises, share
from handbook_code.classification._masks import as_pixels, binary

LONG = 1 << 15  # elements


def lovasz_softmax(
    probs: Tensor,
    target: Tensor,
    *,
    per_image: bool = False,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    p, t = as_pixels(probs, target)
    dtype, some, _ = widen(p.new_empty(0), t.new_empty(0))
    rows = len(p) if per_image else 1
    slope = some.new_empty(p.shape) if wanted[0] else None
    y, error = some.new_empty(2, *p[:, 0].shape)
    each, present = [], []
    for label in range(p.shape[1]):
        if t.shape[1] == p.shape[1]:
            y.copy_(t[:, label])
        else:
            torch.eq(t[:, 0], label, out=y)
        torch.sub(p[:, label], y, out=error)
        value, rise = _sorted(error.abs().view(rows, -1), y.view(rows, -1))
        each.append(value)
        present.append(y.view(rows, -1).sum(-1) > 0)
        if slope is not None:  # of ‖p − t‖, and rises are constants
            torch.mul(rise.view_as(error), error.sign_(), out=slope[:, label])
    each, present = torch.stack(each, -1), torch.stack(present, -1)
    present = present.to(each.dtype)
    number = present.sum(-1, keepdim=True)
    loss = share((each * present).sum(-1), number[:, 0])
    loss = reduce(loss if per_image else loss[0], reduction, dtype)
    if slope is not None:
        part = share(present, number) / (rows if reduction == "mean" else 1)
        slope.mul_(part.unsqueeze(-1))
        slope = slope.view(probs.shape)
    return loss, (slope,)


def lovasz_hinge(
    logits: Tensor,
    target: Tensor,
    *,
    per_image: bool = False,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    dtype, z, y = binary(logits, target)
    rows = len(z) if per_image else 1
    sign = 1 - 2 * y
    error = (sign * z).add_(1).relu_().contiguous()
    right = error <= 0
    loss, rise = _sorted(error.view(rows, -1), y.reshape(rows, -1))
    loss = reduce(loss if per_image else loss[0], reduction, dtype)
    if not wanted[0]:
        return loss, (None,)
    # Of a hinge: the sign, and 0 where it is not passed.
    slope = rise.view_as(z).mul_(sign).masked_fill_(right, 0)
    if reduction == "mean" and rows > 1:
        slope.div_(rows)
    return loss, (slope.view(logits.shape),)


def _sorted(errors: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of errors times rises, and the rises in the pixels' order."""
    order = _worst_first(errors)
    truth = truth.gather(-1, order)
    rise = rises(truth).to(errors.dtype)
    rise = truth.scatter_(-1, order, rise)
    return errors.mul_(rise).sum(-1), rise


def _worst_first(errors: Tensor) -> Tensor:
    """The order of falling errors, earlier pixels first among equal ones."""
    if errors.device.type != "cpu":
        return errors.sort(dim=-1, descending=True, stable=True).indices
    # The bits of a number that is not negative are in its order, NaN last,
    # and integers are sorted by their digits, not by comparing: several times
    # as fast. But torch does so for a line by itself, upwards, if it is long.
    bits = torch.int32 if errors.dtype == torch.float32 else torch.int64
    falling = errors.abs().view(bits).bitwise_not_()
    size = falling.shape[-1]
    if LONG // 3 < size < LONG:
        falling = F.pad(falling, (0, LONG - size), value=0)
    order = torch.empty_like(falling, dtype=torch.long)
    keys = torch.empty_like(falling[0])
    for line, places in zip(falling, order, strict=True):
        torch.sort(line, stable=True, out=(keys, places))
    return order[:, :size]

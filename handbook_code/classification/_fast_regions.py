"""Sums over the pixels of classes and their slopes, given logits, by blocks.

The others are the classes of a pixel that are not true. With r, the softmax
of them alone, and the log odds u = log Σ exp zₖ − zₜ against the true one, the
probability of another is q r, q = σ(u), and that of the true one 1 − q: each
is exact near 0, and near 1.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from handbook_code._fused import is_batched
from handbook_code.classification._curves import Curve
from handbook_code.classification._fast_overlap import _images, _parts

LEAST = 1 << 10  # logits, below which the formula is as fast


class How(NamedTuple):
    curve: Curve
    squared: bool  # what is wrong
    ignore_index: int
    formula: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Sums(torch.autograd.Function):
    """The sums of ``regions``, (4, N, K, blocks), and its curve, (N, M).

    Of z, (N, K, M), and labels, (N, 1, M).
    """

    @staticmethod
    def forward(ctx, z, t, how):
        ctx.save_for_backward(z, t)
        ctx.how, ctx.sure = how, _is_sure(z, t, how.ignore_index)
        wide = _wide(z)
        classes = torch.arange(z.shape[1], device=z.device, dtype=wide)
        ctx.classes = classes[:, None]
        u = z.new_empty(t.shape, dtype=wide)
        each = torch.empty_like(u)
        needed = ctx.needs_input_grad[0]
        r = z.new_empty(z.shape, dtype=wide) if needed else None
        sums = []
        for row in _images(z, t, u, each, *([r] if needed else [])):
            found = []
            for x, y, odds, value, *kept in _parts(*row):
                rest = kept[0] if kept else torch.empty_like(x, dtype=wide)
                true, some = _truth(x, y, ctx)
                _others(x, y, true, some, odds, rest)
                value.copy_(how.curve.value(odds))
                if some is not None:
                    value.copy_(value.where(some[0], -1))
                found.append(_sums(rest, true, odds, value, how.squared))
            sums.append(torch.cat(found, -1))
        ctx.kept = (u, r) if needed else None
        return torch.cat(sums, 1), each[:, 0]

    @staticmethod
    def backward(ctx, pull, pull_each):
        z, t = ctx.saved_tensors
        how, kept = ctx.how, ctx.kept
        pull = pull.narrow(-1, 0, 1)  # of a block; all have the same
        if (
            torch.is_grad_enabled()
            or is_batched(pull)
            or is_batched(pull_each)
        ):
            return _by_formula(how, z, t, pull, pull_each), None, None
        # What was kept becomes the slope. A second time it is made anew.
        ctx.kept = None
        u, r = kept or (z.new_empty(x.shape, dtype=_wide(z)) for x in (t, z))
        pull_each, pull = pull_each.unsqueeze(1), pull.movedim(0, -1)
        for *row, pulls in _images(z, t, u, r, pull_each, pull):
            pulls = pulls.unbind(-1)
            for x, y, odds, rest, each in _parts(*row):
                true, some = _truth(x, y, ctx)
                if kept is None:
                    _others(x, y, true, some, odds, rest)
                bend = how.curve.slope(odds)
                if some is not None:
                    bend = bend.where(some[0], 0)
                _slope(rest, true, odds, bend, each, pulls, how.squared)
        return r.to(z.dtype), None, None


def _others(x, y, true, some, odds, out) -> None:
    """Put r, 0 at the true class, and u; ∞ if none is true, −∞ if ignored."""
    if some is not None:
        x = x.where(some[1], 0)  # what is ignored may be NaN
        y = y.clamp(0, x.shape[1] - 1)
    high = x.amax(1, keepdim=True)
    torch.sub(x, high, out=out).exp_()
    total = out.addcmul_(out, true, value=-1).sum(1, keepdim=True)
    out.div_(total.clamp(min=torch.finfo(out.dtype).tiny))
    # Not −∞, of which 0 times is NaN.
    total.log_().clamp_(min=torch.finfo(out.dtype).min)
    torch.add(total, high - x.gather(1, y.long()), out=odds)
    if some is not None:
        labelled, valid = some
        none = torch.where(valid, torch.inf, -torch.inf).to(odds.dtype)
        odds.copy_(odds.where(labelled, none))


def _sums(rest, true, odds, value, squared) -> Tensor:
    q, p = torch.sigmoid(odds), torch.sigmoid(-odds)
    wrong = (rest + true).mul_(q)  # q r, and q of the true class
    if squared:
        wrong.square_()
    # Of a class that is masked and true it is infinite, and times 0 is NaN.
    most = torch.finfo(value.dtype).max
    each = (true * value.clamp(max=most)).sum(-1)
    each = each.masked_fill(each >= most, torch.inf)
    return torch.stack(
        [(true * p).sum(-1), wrong.sum(-1), true.sum(-1), each]
    ).unsqueeze(-1)


def _slope(rest, true, odds, bend, each, pulls, squared) -> None:
    """Turn r into the slope in z.

    In p that of the sums is a of another class, b of the true one. With c
    that of the curve, f, it is r (q (a − m) + c f′), m = q Σ r a + (1 − q) b,
    and the true class has what makes the sum over classes 0.
    """
    found, wrong, _, curve = pulls
    q, p = torch.sigmoid(odds), torch.sigmoid(-odds)
    c = (true * curve).sum(1, keepdim=True).add_(each).mul_(bend)
    a, b = wrong, found - wrong
    if squared:
        a, b = rest * q * (2 * wrong), found - 2 * q * wrong
    b = (true * b).sum(1, keepdim=True)
    mean = (rest * a).sum(1, keepdim=True)
    own = (b - mean).mul_(p).mul_(q).sub_(c)
    rest.mul_((a * q).add_(c - q * (q * mean + p * b)))
    rest.addcmul_(true, own)


def _truth(x, y, ctx) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """A mask for each class, and which pixels have one, and which count."""
    classes = x.shape[1]
    index = ctx.classes
    valid = some = None
    label = y.to(index.dtype)
    if not ctx.sure:
        valid = y != ctx.how.ignore_index
        some = valid & (y >= 0) & (y < classes), valid
        label = label.where(valid, -1)
    true = torch.empty_like(x, dtype=index.dtype)
    # A comparison of floats, to floats, is the quickest by far.
    return torch.eq(label, index, out=true), some


def _is_sure(z: Tensor, t: Tensor, ignore_index: int) -> bool:
    """Whether all pixels have a class and count. To ask a GPU is to wait."""
    if t.device.type != "cpu":
        return False
    low, high = (x.item() for x in t.aminmax())
    return 0 <= low <= high < z.shape[1] and not low <= ignore_index <= high


def _wide(z: Tensor) -> torch.dtype:
    return torch.promote_types(z.dtype, torch.float32)


def _by_formula(how, z, t, pull, pull_each) -> Tensor:
    """The slope, for whoever wants one of it or many of them."""
    with torch.enable_grad():
        sums, each = how.formula(z, t, how)
        return torch.autograd.grad(
            (sums, each), z, (pull, pull_each), create_graph=True
        )[0]

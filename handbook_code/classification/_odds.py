"""Pixels in log odds, where a sure one is as exact as a doubtful one."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._checks import (
    check_floating,
    check_same_device,
    check_shape,
)
from handbook_code._fused import may_pass
from handbook_code.classification import _fast_regions as fast
from handbook_code.classification._counts import share
from handbook_code.classification._curves import Curve
from handbook_code.classification._masks import as_pixels, masks


class Pixels(NamedTuple):
    """Pixels of two or more classes, as (N, K, M).

    ``odds`` are the log odds u against each class, so that p = σ(−u). One
    channel is two classes, of which the background is no region. Where a
    pixel is ignored ``truth`` is 0 for each class, and ``valid`` too.
    """

    dtype: torch.dtype
    odds: Tensor
    truth: Tensor
    valid: Tensor
    channels: int


def pixels(logits: Tensor, target: Tensor, ignore_index: int) -> Pixels:
    dtype, z, t = masks(logits, target, "logits")
    images, channels, size = z.shape
    valid = torch.ones_like(z[:, :1], dtype=torch.bool)
    if channels == 1 or target.shape != logits.shape:  # labels, not a row
        valid = (target != ignore_index).reshape(images, 1, size)
    # What is ignored may be NaN, which times 0 is NaN.
    z = z.where(valid, 0)
    if channels == 1:
        odds, t = torch.cat([z, -z], dim=1), torch.cat([1 - t, t], dim=1)
    else:
        odds = _odds_against_each(z)
    return Pixels(dtype, odds, t.where(valid, 0), valid.to(z.dtype), channels)


class Regions(NamedTuple):
    """What is to be summed over pixels, (N, K, M), or is so over some.

    It is p t, what is wrong, t, and t f, of a curve f of the odds.
    """

    dtype: torch.dtype
    found: Tensor
    wrong: Tensor
    truth: Tensor
    cost: Tensor
    each: Tensor  # f of what is true at each pixel, (N, M); −1 without
    channels: int


def regions(
    logits: Tensor,
    target: Tensor,
    ignore_index: int,
    curve: Curve,
    squared: bool = False,
) -> Regions:
    """The regions of labels in one pass, where that can be."""
    if may_pass(logits, target, known=logits, least=fast.LEAST):
        z, t = as_pixels(logits, target, "logits")
        channels = z.shape[1]
        if t.shape[1] == 1 and not t.is_floating_point():
            if channels == 1:  # the background, and the foreground
                z = F.pad(z, (0, 0, 1, 0))
            how = fast.How(curve, squared, ignore_index, _of_labels)
            sums, each = fast.Sums.apply(z, t, how)
            return Regions(logits.dtype, *sums, each, channels)
    return of_pixels(pixels(logits, target, ignore_index), curve, squared)


def of_pixels(seen: Pixels, curve: Curve, squared: bool = False) -> Regions:
    """What is wrong is p (1 − t) + (1 − p) t, or if squared (p − t)²."""
    u, t = seen.odds, seen.truth
    # 0 where a pixel is ignored
    p, rest = (torch.sigmoid(x) * seen.valid for x in (-u, u))
    wrong = (p - t) ** 2 if squared else p * (1 - t) + rest * t
    cost = crossed(t, u, curve)
    each = cost.sum(1).masked_fill(t.sum(1) <= 0, -1)
    return Regions(seen.dtype, p * t, wrong, t, cost, each, seen.channels)


def crossed(truth: Tensor, odds: Tensor, curve: Curve) -> Tensor:
    """t f(u), which is 0 where t is 0 and u infinite: a class is masked."""
    odds = odds.masked_fill((truth == 0) & odds.isinf(), 0)
    return truth * curve.value(odds)


def drawn(seen: Pixels | Regions, background: bool) -> slice:
    """The classes that are regions: not the background of one channel."""
    return slice(0 if background and seen.channels > 1 else 1, None)


def mean(part: Tensor, whole: Tensor, per_image: bool) -> Tensor:
    """The sum of one over the sum of the other, for each image or for all."""
    axes = tuple(range(1 if per_image else 0, part.dim()))
    return share(part.sum(axes), whole.sum(axes))


def hardest(seen: Regions, k: float, per_image: bool) -> Tensor:
    """The mean of the largest costs, a part k of all that count."""
    each = seen.each if per_image else seen.each.reshape(1, -1)
    number = (~(each < 0)).sum(1)
    exact = k * (1 - 1e-12)  # 0.07 of 100 are 7, and rounded 7.000000000000001
    most = min(max(1, math.ceil(exact * each.shape[1])), each.shape[1])
    many = (exact * number.double()).ceil().clamp(min=1).minimum(number)
    worst = each.topk(most, dim=1).values
    taken = torch.arange(most, device=each.device) < many.unsqueeze(1)
    loss = share(worst.where(taken, 0).sum(1), many.to(each.dtype))
    return loss if per_image else loss[0]


def of_each_class(
    name: str, numbers: Tensor | None, logits: Tensor, seen: Regions
) -> Tensor:
    """One number per class, (K, 1); ones if there are none."""
    classes = seen.truth.shape[1]
    if numbers is None:
        return seen.truth.new_ones(classes, 1)
    check_floating(**{name: numbers})
    check_same_device(**{"logits": logits, name: numbers})
    check_shape(name, numbers, "one number per class", (classes,))
    return numbers.to(seen.truth.dtype).unsqueeze(1)


def _odds_against_each(z: Tensor) -> Tensor:
    """log(1 − p) − log p of every class, p = softmax(z)."""
    log_p = F.log_softmax(z, dim=1)
    classes = torch.arange(z.shape[1], device=z.device).view(-1, 1)
    first = classes == z.argmax(dim=1, keepdim=True)
    # Not −∞: where all others are, the slope of their sum would be NaN.
    others = z.masked_fill(first, torch.finfo(z.dtype).min)
    sure = others.logsumexp(dim=1, keepdim=True) - z
    # No other class has more than one half.
    doubtful = torch.log1p(-log_p.exp().masked_fill(first, 0)) - log_p
    return torch.where(first, sure, doubtful)


def _of_labels(z: Tensor, t: Tensor, how: fast.How) -> tuple[Tensor, Tensor]:
    """What the pass of ``regions`` gives, by the formula."""
    seen = pixels(z, t[:, 0], how.ignore_index)
    found = of_pixels(seen, how.curve, how.squared)
    parts = found.found, found.wrong, found.truth, found.cost
    return torch.stack([x.sum(-1, keepdim=True) for x in parts]), found.each

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
from handbook_code.classification._counts import share
from handbook_code.classification._masks import masks


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


def surprises(odds: Tensor, truth: Tensor) -> Tensor:
    """−log p, of p = σ(−u); 0 for a class that is masked and not true."""
    surprise = -F.logsigmoid(-odds)
    return surprise.masked_fill((truth == 0) & surprise.isinf(), 0)


def cross_entropies(odds: Tensor, truth: Tensor) -> Tensor:
    """−t log p, which is 0 where t is 0 and p too."""
    return truth * surprises(odds, truth)


def regions(seen: Pixels, background: bool) -> slice:
    """The classes that are regions: not the background of one channel."""
    return slice(0 if background and seen.channels > 1 else 1, None)


def region_masks(
    seen: Pixels, background: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """p, 1 − p and t of the regions, 0 where a pixel is ignored."""
    u, t = (x[:, regions(seen, background)] for x in (seen.odds, seen.truth))
    return torch.sigmoid(-u) * seen.valid, torch.sigmoid(u) * seen.valid, t


def mean(part: Tensor, whole: Tensor, per_image: bool) -> Tensor:
    """The sum of one over the sum of the other, for each image or for all."""
    axes = tuple(range(1 if per_image else 0, part.dim()))
    return share(part.sum(axes), whole.sum(axes))


def hardest(seen: Pixels, k: float, per_image: bool) -> Tensor:
    """The mean of the largest cross-entropies, a part k of all that count."""
    each = cross_entropies(seen.odds, seen.truth).sum(1)
    labelled = seen.truth.sum(1) > 0
    if not per_image:
        each, labelled = each.reshape(1, -1), labelled.reshape(1, -1)
    exact = k * (1 - 1e-12)  # 0.07 of 100 are 7, and rounded 7.000000000000001
    most = min(max(1, math.ceil(exact * each.shape[1])), each.shape[1])
    number = labelled.sum(1)
    many = (exact * number.double()).ceil().clamp(min=1).minimum(number)
    worst = each.masked_fill(~labelled, -1).topk(most, dim=1).values
    taken = torch.arange(most, device=each.device) < many.unsqueeze(1)
    loss = share(worst.where(taken, 0).sum(1), many.to(each.dtype))
    return loss if per_image else loss[0]


def of_each_class(
    name: str, numbers: Tensor | None, logits: Tensor, seen: Pixels
) -> Tensor:
    """One number per class, (K, 1); ones if there are none."""
    classes = seen.odds.shape[1]
    if numbers is None:
        return seen.odds.new_ones(classes, 1)
    check_floating(**{name: numbers})
    check_same_device(**{"logits": logits, name: numbers})
    check_shape(name, numbers, "one number per class", (classes,))
    return numbers.to(seen.odds.dtype).unsqueeze(1)


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

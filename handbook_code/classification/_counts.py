"""What is counted on the pixels of two regions."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor

from handbook_code._fused import may_pass
from handbook_code.classification import _fast_overlap as fast
from handbook_code.classification._across_batch import each_of_all
from handbook_code.classification._masks import as_pixels, masks


def summed(
    slope: Callable[..., None],
) -> Callable[[Callable[..., tuple]], Callable[..., tuple]]:
    """Sum terms of p and t over pixels, in one pass where that can be.

    What it makes takes probabilities and masks in any form, and gives the
    dtype of the loss and the sums. ``slope`` is that of the terms in p.
    """

    def decorate(terms: Callable[..., tuple]) -> Callable[..., tuple]:
        @wraps(terms)
        def sums(
            probs: Tensor,
            target: Tensor,
            per_image: bool = False,
            per_class: bool = True,
        ) -> tuple:
            if may_pass(probs, target, known=probs, least=fast.LEAST):
                p, t = as_pixels(probs, target)
                dtype = torch.promote_types(p.dtype, t.dtype)
                each = fast.Sums.apply(p, t, terms, slope)
            else:
                dtype, p, t = masks(probs, target)
                each = terms(p, t)
            found = (total(x, per_image, per_class) for x in each)
            return dtype, *(found if per_image else each_of_all(*found))

        return sums

    return decorate


@summed(fast.slope_of_counts)
def counts(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """True positives, false positives and false negatives, in pixels.

    Each is summed by itself: as differences of areas, the false ones of a
    good prediction would be rounding errors.
    """
    found = p * t
    return found, p - found, t - found


@summed(fast.slope_of_squares)
def squares(p: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """What is wrong, and both areas, in squares."""
    return (p - t) ** 2, p**2 + t**2


@summed(fast.slope_of_errors)
def squared_errors(
    p: Tensor, t: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Squared errors of positives and of negatives, and their numbers."""
    error, rest = (p - t) ** 2, 1 - t
    return error * t, error * rest, t, rest


def total(values: Tensor, per_image: bool, per_class: bool) -> Tensor:
    """Sums over pixels, and over images and classes unless kept apart."""
    axes = [-1]
    axes += [] if per_image else [-3]
    axes += [] if per_class else [-2]
    return values.sum(axes)


def rises(truth: Tensor) -> Tensor:
    """By how much the Jaccard loss rises, as pixel after pixel is wrong."""
    size = truth.shape[-1]
    if size >= 2**24:  # as far as float32 can count
        truth = truth.double()
    wrong = torch.arange(size, dtype=truth.dtype, device=truth.device)
    size = truth.sum(-1, keepdim=True)
    left = truth.cumsum(-1).neg_().add_(size)
    others = left + wrong
    # The difference of two Jaccard losses, without cancellation.
    part = left.div_(others + 1)
    rise = (1 - truth).mul_(part).add_(truth)
    rise.div_(others.add_(truth).clamp(min=1))
    rise[..., :1] += size == 0  # the first of an empty set: all
    return rise


def share(part: Tensor, whole: Tensor) -> Tensor:
    """A part of a whole, and none of nothing."""
    # A whole of less than this would have an infinite reciprocal.
    some = whole >= torch.finfo(whole.dtype).tiny
    return part / torch.where(some, whole, 1)

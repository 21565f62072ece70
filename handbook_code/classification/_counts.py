"""Masks in the forms that users have, and what is counted on them."""

import torch
from torch import Tensor

from handbook_code._checks import check_floating, check_same_device
from handbook_code._reduce import widen


def masks(
    probs: Tensor, target: Tensor, name: str = "probs"
) -> tuple[torch.dtype, Tensor, Tensor]:
    """The dtype of the loss, and probabilities and masks as (N, K, M).

    A target of the shape of ``probs``, (N, K, …), is a mask for each class. A
    target of shape (N, …) is the mask itself if there is one class, else the
    class of every pixel: an index that is no class belongs to none. ``name``
    is what the loss calls its prediction.
    """
    check_floating(**{name: probs})
    _check_mask("target", target)
    check_same_device(**{name: probs, "target": target})
    if probs.dim() < 2:
        raise ValueError(
            f"{name}: expected shape (N, K, …), got {tuple(probs.shape)}"
        )
    batch, classes, *space = probs.shape
    alone = (batch, *space)
    if target.shape != probs.shape:
        whole = target.dtype.is_floating_point or target.dtype == torch.bool
        if target.shape != alone or (classes > 1 and whole):
            single = "the mask" if classes == 1 else "integer classes"
            error = TypeError if target.shape == alone else ValueError
            raise error(
                f"target: expected a mask per class, {tuple(probs.shape)}, "
                f"or {single}, {alone}, got {target.dtype}, "
                f"{tuple(target.shape)}"
            )
        target = target.unsqueeze(1)
        if classes > 1:
            indices = torch.arange(classes, device=target.device)
            target = target == indices.view(-1, *[1] * len(space))
    return _as_pixels(2, probs, target)


def binary(
    logits: Tensor, target: Tensor
) -> tuple[torch.dtype, Tensor, Tensor]:
    """The dtype of the loss, and logits and one mask as (N, M)."""
    check_floating(logits=logits)
    _check_mask("target", target)
    check_same_device(logits=logits, target=target)
    if logits.dim() < 2:
        raise ValueError(
            f"logits: expected shape (N, …), got {tuple(logits.shape)}"
        )
    batch, first, *space = logits.shape
    channel = first == 1 and target.shape == (batch, *space)
    if target.shape != logits.shape and not channel:
        without = f" or, without its channel, {(batch, *space)}"
        raise ValueError(
            f"target: expected the shape of logits, {tuple(logits.shape)}"
            f"{without if first == 1 else ''}, got {tuple(target.shape)}"
        )
    return _as_pixels(1, logits, target.reshape(logits.shape))


def total(values: Tensor, per_image: bool, per_class: bool) -> Tensor:
    """Sums over pixels, and over images and classes unless kept apart."""
    axes = [2]
    axes += [] if per_image else [0]
    axes += [] if per_class else [1]
    return values.sum(axes)


def counts(
    p: Tensor, t: Tensor, per_image: bool = False, per_class: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """True positives, false positives and false negatives, in pixels.

    Each is summed by itself: as differences of areas, the false ones of a
    good prediction would be rounding errors.
    """
    found, extra, missed = p * t, p * (1 - t), (1 - p) * t
    return tuple(
        total(values, per_image, per_class)
        for values in (found, extra, missed)
    )


def share(part: Tensor, whole: Tensor) -> Tensor:
    """A part of a whole, and none of nothing."""
    # A whole of less than this would have an infinite reciprocal.
    some = whole >= torch.finfo(whole.dtype).tiny
    return part / torch.where(some, whole, 1)


def _check_mask(name: str, mask: Tensor) -> None:
    if not isinstance(mask, Tensor):
        raise TypeError(
            f"{name}: expected a tensor, got {type(mask).__name__}"
        )
    if mask.is_complex():
        raise TypeError(f"{name}: expected real numbers, got {mask.dtype}")


def _as_pixels(
    axis: int, prediction: Tensor, mask: Tensor
) -> tuple[torch.dtype, Tensor, Tensor]:
    dtype, p, t = widen(prediction, mask)
    if p.dim() == axis:
        p, t = p.unsqueeze(-1), t.unsqueeze(-1)
    return dtype, p.flatten(axis), t.flatten(axis)

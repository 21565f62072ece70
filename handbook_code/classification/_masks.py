"""Masks in the forms that users have."""

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
    p, t = as_pixels(probs, target, name)
    if t.shape[1] < p.shape[1]:
        t = t == torch.arange(p.shape[1], device=t.device).view(-1, 1)
    return widen(p, t)


def as_pixels(
    probs: Tensor, target: Tensor, name: str = "probs"
) -> tuple[Tensor, Tensor]:
    """Probabilities (N, K, M), and masks too, or labels (N, 1, M)."""
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
    return _flat(2, probs, target)


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
    return widen(*_flat(1, logits, target.reshape(logits.shape)))


def _check_mask(name: str, mask: Tensor) -> None:
    if not isinstance(mask, Tensor):
        raise TypeError(
            f"{name}: expected a tensor, got {type(mask).__name__}"
        )
    if mask.is_complex():
        raise TypeError(f"{name}: expected real numbers, got {mask.dtype}")


def _flat(axis: int, *tensors: Tensor) -> list[Tensor]:
    """Without the axes of the image: one of its pixels."""
    if tensors[0].dim() == axis:
        return [x.unsqueeze(-1) for x in tensors]
    return [x.flatten(axis) for x in tensors]

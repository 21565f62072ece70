"""Embeddings of classes as arguments, and how long embeddings usually are."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from handbook_code._checks import (
    check_floating,
    check_indices,
    check_nonnegative,
    check_same_device,
    check_shape,
)
from handbook_code._reduce import widen


def check_classes(
    embeddings: Tensor, centers: Tensor, labels: Tensor
) -> tuple[torch.dtype, Tensor, Tensor, Tensor]:
    """What they are in one dtype, and the labels to index with."""
    check_floating(embeddings=embeddings, centers=centers)
    if embeddings.dim() != 2:
        raise ValueError(
            f"embeddings: expected (N, D), got {tuple(embeddings.shape)}"
        )
    if centers.shape[1:] != embeddings.shape[1:]:
        raise ValueError(
            f"centers: expected one row for each class, of the length of "
            f"embeddings, (K, {embeddings.shape[1]}), "
            f"got {tuple(centers.shape)}"
        )
    check_indices(
        "labels", labels, "one class for each embedding", embeddings.shape[:1]
    )
    check_same_device(embeddings=embeddings, centers=centers, labels=labels)
    dtype, x, w = widen(embeddings, centers)
    return dtype, x, w, labels.long()


def check_radians(m: float) -> None:
    check_nonnegative(m=m)
    if m >= math.pi:
        raise ValueError(f"m: expected radians below π, got {m}")


def moments(
    lengths: Tensor,
    add: Callable[[Tensor], Tensor] = lambda x: x,
    count: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation; 0, not NaN, of too few.

    Of this process alone, unless add sums over all, and count is of all.
    """
    count = len(lengths) if count is None else count
    mean = add(lengths.sum()) / max(count, 1)
    squares = add(((lengths - mean) ** 2).sum())
    return mean, (squares / max(count - 1, 1)).sqrt()


def usual(
    lengths: Tensor, **given: float | Tensor | None
) -> tuple[Tensor, Tensor]:
    """Mean and deviation, those given before those of the batch."""
    known = []
    for (name, value), own in zip(
        given.items(), moments(lengths), strict=True
    ):
        if isinstance(value, Tensor):
            check_floating(**{name: value})
            check_shape(name, value, "one number", ())
            check_same_device(embeddings=lengths, **{name: value})
            own = value.detach().to(own.dtype)
        elif value is not None:
            check_nonnegative(**{name: value})
            own = torch.full_like(own, value)
        known.append(own)
    mean, std = known
    tiny = torch.finfo(lengths.dtype).tiny
    return mean, std.maximum(mean / 1000).clamp(min=tiny)

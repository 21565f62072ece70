"""Which of a batch teach an embedding most: far friends, near strangers."""

import math

import torch
from torch import Tensor

from handbook_code._checks import (
    check_floating,
    check_indices,
    check_nonnegative,
    check_same_device,
)
from handbook_code._reduce import no_autocast, widen


def check_batch(
    embeddings: Tensor, labels: Tensor, margin: float | None
) -> tuple[torch.dtype, Tensor]:
    if margin is not None:
        check_nonnegative(margin=margin)
    check_floating(embeddings=embeddings)
    if embeddings.dim() != 2:
        raise ValueError(
            f"embeddings: expected (N, D), got {tuple(embeddings.shape)}"
        )
    check_indices(
        "labels", labels, "one class for each embedding", embeddings.shape[:1]
    )
    check_same_device(embeddings=embeddings, labels=labels)
    return widen(embeddings)


def hardest(
    x: Tensor, squares: Tensor, labels: Tensor, some: slice = slice(None)
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each of some rows, the farthest of its label, and the nearest other.

    Also whether there are both.
    """
    if len(x) == 0:
        return labels.long(), labels.long(), labels.bool()
    same = labels[some, None] == labels
    with no_autocast(x):
        # ‖xᵢ − xⱼ‖² without ‖xᵢ‖²: the order in a row is the same.
        apart = torch.addmm(squares, x[some], x.T, alpha=-2)
    friends = apart.masked_fill(~same, -math.inf)
    friends.diagonal(some.start or 0).fill_(-math.inf)
    farthest, positive = friends.max(1)
    nearest, negative = apart.masked_fill(same, math.inf).min(1)
    both = (farthest != -math.inf) & (nearest != math.inf)
    return positive, negative, both


def centred(x: Tensor) -> tuple[Tensor, Tensor]:
    """Moved and scaled, which changes no order of distances; and ‖x‖².

    Without, squares far from the origin would have no digits for distances,
    and of small numbers they would be 0.
    """
    if len(x):
        largest = x.nan_to_num(0, 0, 0).abs().amax()
        x = x / largest.masked_fill(largest == 0, 1)
        x = x - x.nan_to_num(0, 0, 0).mean(0)
    return x, x.square().sum(1)

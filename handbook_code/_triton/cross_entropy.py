"""Cross-entropy and its slope, a row at a time.

A row is gone through twice: for its logarithm of a sum, and for its slopes.
What fits a cache is read from memory once.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from handbook_code._triton.arithmetic import finite, power


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> tuple[Tensor, tuple[Tensor]]:
    """Of contiguous rows z and the class t of each; "mean" or "sum".

    L = log Σ exp(zₖ − zₜ) − ε / K Σ (zₖ − zₜ)
    dL / dzₖ = exp zₖ / Σ exp z − ε / K − (1 − ε) [k = t]

    A class that does not exist gives NaN: to raise is to wait for the card.
    """
    rows, classes = logits.shape
    pull = logits.new_ones((), dtype=torch.float32)
    if reduction == "mean":
        pull = 1 / (target != ignore_index).sum().clamp(min=1).float()
    each = logits.new_empty(rows, dtype=torch.float32)
    slope = torch.empty_like(logits)
    _cross_entropy[(rows,)](
        logits, target, pull, each, slope, classes, ignore_index,
        label_smoothing, SMOOTH=label_smoothing > 0, TILE=power(classes),
    )  # fmt: skip
    return (each.sum() * pull).to(logits.dtype), (slope,)


@triton.jit
def _cross_entropy(
    logits, target, pull, each, slope, classes, ignore_index, smoothing,
    SMOOTH: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    t = tl.load(target + row)
    counts = t != ignore_index
    t = tl.where(counts, t, 0)
    exists = (t >= 0) & (t < classes)
    here = logits + row * classes
    own = tl.load(here + t, mask=exists, other=float("nan")).to(tl.float32)
    level = finite(own)
    top = level * 0 - float("inf")
    total = level * 0
    gaps = level * 0
    for first in range(0, classes, TILE):
        k = first + tl.arange(0, TILE)
        z = tl.load(here + k, mask=k < classes, other=-float("inf"))
        z = z.to(tl.float32)
        higher = tl.maximum(top, tl.max(z, 0))
        shift = finite(higher)
        total = total * tl.exp(top - shift) + tl.sum(tl.exp(z - shift), 0)
        top = higher
        if SMOOTH:
            gaps += tl.sum(tl.where(k < classes, z - level, 0), 0)
    part = smoothing / classes
    loss = tl.log(total) + (top - level)
    if SMOOTH:
        loss -= part * gaps
    loss = tl.where(own == -float("inf"), float("inf"), loss)
    tl.store(each + row, tl.where(counts, loss, 0))
    factor = tl.load(pull)
    for first in range(0, classes, TILE):
        k = first + tl.arange(0, TILE)
        z = tl.load(here + k, mask=k < classes, other=-float("inf"))
        share = tl.exp(z.to(tl.float32) - finite(top)) / total
        by_z = share - part - tl.where(k == t, 1 - smoothing, 0)
        by_z = tl.where(counts, factor * by_z, 0)
        tl.store(slope + row * classes + k, by_z, mask=k < classes)

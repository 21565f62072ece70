"""The focal loss and its slope: two numbers read, one written, for each."""

import triton
import triton.language as tl
from torch import Tensor

from handbook_code._triton.arithmetic import cdiv, log1p

BLOCK = 1 << 10


def focal(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    reduction: str = "mean",
) -> tuple[Tensor, tuple[Tensor]]:
    """Of contiguous logits z and labels y of one shape; "mean" or "sum".

    L = w qᵞ s,  u = (1 − 2 y) z,  q = σ(u),  s = log(1 + exp u)
    dL = w qᵞ (q + γ (1 − q) s) du,  w = 1 − α + (2 α − 1) y
    """
    count = logits.numel()
    share = 1 / count if reduction == "mean" else 1.0
    base, more = (1.0, 0.0) if alpha is None else (1 - alpha, 2 * alpha - 1)
    slope = logits.new_empty(logits.shape)
    sums = logits.new_empty(cdiv(count, BLOCK), dtype=_wide(logits))
    _focal[(len(sums),)](
        logits, target, slope, sums, count, share, base, more, gamma,
        FLAT=gamma == 0, BLOCK=BLOCK,
    )  # fmt: skip
    return (sums.sum() * share).to(logits.dtype), (slope,)


def _wide(x: Tensor):
    return x.float().dtype if x.element_size() < 4 else x.dtype


@triton.jit
def _focal(
    logits, target, slope, sums, count, share, base, more, gamma,
    FLAT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0)
    at = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    z = tl.load(logits + at, mask=inside, other=0).to(tl.float32)
    y = tl.load(target + at, mask=inside, other=0).to(tl.float32)
    sign = 1 - 2 * y
    u = sign * z
    tail = log1p(tl.exp(-tl.abs(u)))
    surprise = tl.maximum(u, 0) + tail
    log_wrong = tl.minimum(u, 0) - tail
    wrong = tl.exp(log_wrong)
    weight = base + more * y
    if not FLAT:
        weight *= tl.exp(gamma * log_wrong)
    right = tl.exp(-surprise)
    bend = wrong + gamma * right * surprise
    tl.store(slope + at, share * sign * weight * bend, mask=inside)
    loss = tl.where(inside, weight * surprise, 0)
    tl.store(sums + block, tl.sum(loss))

"""The loss of picking one's own out of many, by blocks of the similarities."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._fused import block
from handbook_code._reduce import no_autocast

TILE = 1 << 10  # columns that stay in the cache from one step to the next


def reduced(*args, reduction: str = "mean", **keywords) -> bool:
    """Whether there is one value: each row's depends on all candidates."""
    return isinstance(reduction, str) and reduction != "none"


def pairs(*args, **keywords) -> int:
    """How many similarities there are: rows times candidates."""
    rows = [
        len(value)
        for value in (*args, *keywords.values())
        if isinstance(value, Tensor) and value.dim() == 2
    ]
    return rows[0] * max(rows[1:]) if len(rows) > 1 else 0


def line_up(
    x: Tensor,
    candidates: Tensor,
    own: Tensor,
    place: Tensor | None,
    scale: Tensor | None = None,
    wanted: tuple[bool, bool] = (True, True),
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Cross-entropy of each row's own logit among those of the candidates.

    Lᵢ = log(1 + Σⱼ exp(lᵢⱼ − oᵢ)),  lᵢⱼ = xᵢ·cⱼ γⱼ,  j ≠ placeᵢ
    dLᵢ = Σⱼ wᵢⱼ (dlᵢⱼ − doᵢ),  wᵢⱼ = exp(lᵢⱼ − oᵢ − Lᵢ)

    Without its own, the sum keeps the digits of a small loss.

    Args:
        x: (N, D).
        candidates: c, (K, D).
        own: o, (N, 1).
        place: of each row's own among the candidates, (N, 1); None, if it
            is not among them.
        scale: γ, (K, 1); None for ones.
        wanted: whether the last two results are.

    Returns:
        L and Σⱼ wᵢⱼ, (N, 1) both; Σⱼ wᵢⱼ γⱼ cⱼ, (N, D); and Σᵢ wᵢⱼ xᵢ, (K, D).
    """
    rows = max(1, block(x) // min(TILE, len(candidates)))
    logits = x.new_empty(min(rows, len(x)), len(candidates))
    in_x = torch.empty_like(x) if wanted[0] else None
    in_c = torch.empty_like(candidates) if wanted[1] else None
    loss, pull = torch.empty_like(own), torch.empty_like(own)
    most = torch.finfo(x.dtype).max
    with no_autocast(x):
        for i in range(0, len(x), rows):
            some = slice(i, i + rows)
            e = logits[: len(x[some])]
            tiles = [
                (slice(j, j + TILE), e[:, j : j + TILE])
                for j in range(0, len(candidates), TILE)
            ]
            for at, tile in tiles:
                torch.mm(x[some], candidates[at].T, out=tile)
                if scale is not None:
                    tile.mul_(scale[at].T)
            if place is not None:
                e.scatter_(1, place[some], -math.inf)
            top = e.amax(1, keepdim=True)
            shift = top.clamp(-most, most)
            total = 0
            for _, tile in tiles:
                # Smaller than exp(-87), numbers are 200 times as slow.
                tile.sub_(shift).clamp_(min=-80).exp_()
                total = total + tile.sum(1, keepdim=True)
            if place is not None:
                e.scatter_(1, place[some], 0)
            gap = total.log().add_(top).sub_(own[some])
            loss[some] = F.softplus(gap)
            pull[some] = gap.sigmoid_()
            weight = gap / total
            weighted = x[some] * weight
            for at, tile in tiles:
                if in_c is not None:
                    in_c[at].addmm_(tile.T, weighted, beta=min(i, 1))
                if in_x is not None:
                    if scale is not None:
                        tile.mul_(scale[at].T)
                    first = at.start == 0
                    in_x[some].addmm_(tile, candidates[at], beta=1 - first)
            if in_x is not None:
                in_x[some] *= weight
    return loss, pull, in_x, in_c


def both_ways(
    x: Tensor, candidates: Tensor, own: Tensor, wanted: tuple[bool, bool]
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The mean of each row's loss among candidates, and its own's among rows.

    Lᵢ = ½ log(1 + exp(rᵢ − oᵢ)) + ½ log(1 + exp(cᵢ − oᵢ)),  j ≠ i in
    rᵢ = log Σⱼ exp(lᵢⱼ),  cᵢ = log Σⱼ exp(lⱼᵢ),  lᵢⱼ = xᵢ·cⱼ
    dL = Σᵢⱼ wᵢⱼ dlᵢⱼ − Σᵢ pᵢ doᵢ,  pᵢ = ½ σ(rᵢ − oᵢ) + ½ σ(cᵢ − oᵢ),
    wᵢⱼ = ½ exp(lᵢⱼ − rᵢ) σ(rᵢ − oᵢ) + ½ exp(lᵢⱼ − cⱼ) σ(cⱼ − oⱼ)

    A weight needs the sums of its row and its column, so that the logits are
    gone over twice. What fits in the memory of the slopes is kept in between,
    the rest is computed again.

    Args:
        x: (N, D).
        candidates: c, (N, D).
        own: o, (N, 1).
        wanted: whether the last two results are.

    Returns:
        L and p, (N, 1) both; Σⱼ wᵢⱼ cⱼ and Σᵢ wᵢⱼ xᵢ, (N, D) both.
    """
    count, width = x.shape
    rows = max(1, block(x) // min(TILE, count), width // 2)
    spans = [slice(i, i + rows) for i in range(0, count, rows)]
    keep = any(wanted) * 2 * width // rows
    kept = []
    along, across = torch.empty_like(own), own.new_full((1, count), -math.inf)
    with no_autocast(x):
        for some in spans:
            logits = _of_others(x[some], candidates, some.start)
            along[some] = log_sum(logits, 1)
            torch.logaddexp(across, log_sum(logits, 0), out=across)
            if len(kept) < keep:
                kept.append(logits)
        gaps = along - own, across.T - own
        loss, pull = (
            sum(map(f, gaps)) / 2 for f in (F.softplus, torch.sigmoid)
        )
        in_x = torch.empty_like(x) if wanted[0] else None
        in_c = torch.zeros_like(candidates) if wanted[1] else None
        # The logarithms of what each exponential is divided by.
        of_row, of_column = (own + F.softplus(g) + math.log(2) for g in gaps)
        for k, some in enumerate(spans if any(wanted) else ()):
            if k < len(kept):
                logits, kept[k] = kept[k], None
            else:
                logits = _of_others(x[some], candidates, some.start)
            weights = (logits - of_column.T).clamp_(min=-80).exp_()
            weights += logits.sub_(of_row[some]).clamp_(min=-80).exp_()
            if wanted[0]:
                torch.mm(weights, candidates, out=in_x[some])
            if wanted[1]:
                in_c.addmm_(weights.T, x[some])
    return loss, pull, in_x, in_c


def _of_others(x: Tensor, candidates: Tensor, first: int) -> Tensor:
    """Logits of some rows, from the first, but −∞ where it is their own."""
    logits = x @ candidates.T
    logits.diagonal(first).fill_(-math.inf)
    return logits


def log_sum(logits: Tensor, dim: int) -> Tensor:
    """log Σ exp along an axis, which stays. Of parts: torch.logaddexp."""
    most = torch.finfo(logits.dtype).max
    top = logits.amax(dim, keepdim=True).clamp_(-most, most)
    # Smaller than exp(-87), numbers are 200 times as slow.
    parts = (logits - top).clamp_(min=-80).exp_()
    return parts.sum(dim, keepdim=True).log_().add_(top)

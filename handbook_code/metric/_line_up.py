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
            shift = top.masked_fill(top.isinf(), 0)
            total = torch.zeros_like(top)
            for _, tile in tiles:
                # Smaller than exp(-87), numbers are 200 times as slow.
                tile.sub_(shift).clamp_(min=-80).exp_()
                total += tile.sum(1, keepdim=True)
            if place is not None:
                e.scatter_(1, place[some], 0)
            gap = top + total.log() - own[some]
            loss[some] = -F.logsigmoid(-gap)
            pull[some] = gap.sigmoid()
            weight = (top - own[some] - loss[some]).exp()
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

"""Picking one's own out of candidates that lie on several processes.

The rows go round, the candidates stay: what comes home is a logarithm of a
sum, and on the way back a slope.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from handbook_code._fused import block
from handbook_code._reduce import no_autocast


def log_sums(
    x: Tensor,
    candidates: Tensor,
    place: Tensor | None,
    scale: Tensor | None = None,
    columns: Tensor | None = None,
) -> Tensor:
    """For each row, log Σⱼ exp(lᵢⱼ) over these candidates, without its own.

    Args:
        x: (N, D).
        candidates: c, (K, D); lᵢⱼ = xᵢ·cⱼ γⱼ.
        place: of each row's own among them, (N,), -1 if it is elsewhere;
            None, if it is for all.
        scale: γ, (K, 1); None for ones.
        columns: (K,), to which the same over the rows is added.
    """
    rest = x.new_full((len(x),), -math.inf)
    for some, e in _logits(x, candidates, place, scale):
        torch.logsumexp(e, 1, out=rest[some])
        if columns is not None:
            torch.logaddexp(columns, e.logsumexp(0), out=columns)
    return rest


def slopes(
    x: Tensor,
    candidates: Tensor,
    place: Tensor | None,
    rest: tuple[Tensor, Tensor],
    in_candidates: Tensor,
    scale: Tensor | None = None,
    columns: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """The slope in x. That in the candidates, without γ, is added to theirs.

    d rest = Σⱼ wᵢⱼ dlᵢⱼ,  wᵢⱼ = exp(lᵢⱼ − restᵢ)

    Args:
        rest: over all candidates of all ranks, (N,), and its gradient.
        columns: the same of the columns, (K,) both.
    """
    in_x = torch.zeros_like(x)
    for some, e in _logits(x, candidates, place, scale):
        weight = _weights(e, rest[0][some, None], rest[1][some, None])
        if columns is not None:
            weight += _weights(e, *columns)
        in_candidates.addmm_(weight.T, x[some])
        if scale is not None:
            weight *= scale.T
        torch.mm(weight, candidates, out=in_x[some])
    return in_x


def _weights(e: Tensor, total: Tensor, pull: Tensor) -> Tensor:
    shift = total.masked_fill(total.isinf(), 0)
    # Smaller than exp(-87), numbers are 200 times as slow.
    return (e - shift).clamp_(min=-80).exp_().mul_(pull)


def _logits(
    x: Tensor, candidates: Tensor, place: Tensor | None, scale: Tensor | None
) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time, −∞ for one's own."""
    rows = max(1, 4 * block(x) // max(len(candidates), 1))
    if not len(candidates):
        return
    for i in range(0, len(x), rows):
        some = slice(i, i + rows)
        with no_autocast(x):
            e = x[some] @ candidates.T
        if scale is not None:
            e *= scale.T
        if place is not None:
            at = place[some, None]
            own = at.clamp(min=0)
            gone = torch.where(at >= 0, -math.inf, e.gather(1, own))
            e.scatter_(1, own, gone)
        yield some, e

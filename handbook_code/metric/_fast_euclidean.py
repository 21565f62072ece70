"""Losses of distances with their slopes, by blocks of rows."""

from itertools import compress

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._checks import check_positive
from handbook_code._fused import block
from handbook_code._reduce import check_reduction, reduce, widen
from handbook_code.metric._directions import directions, pull_back
from handbook_code.metric._hardest import centred, check_batch, hardest
from handbook_code.metric._line_up import both_ways, line_up
from handbook_code.metric._rows import check_candidates, check_rows


def batch_hard_triplet(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float | None = 0.2,
    squared: bool = True,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    dtype, x = check_batch(embeddings, labels, margin)
    check_reduction(reduction)
    z = centred(x)
    share = 1 / len(x) if reduction == "mean" else 1
    slope = torch.zeros_like(x) if wanted[0] else None
    losses = []
    rows = max(1, block(x) // len(x))
    for i in range(0, len(x), rows):
        some = slice(i, i + rows)
        positive, negative, both = hardest(z, labels, some)
        loss, forces = _triplet(
            x[some],
            x.index_select(0, positive),
            x.index_select(0, negative),
            margin,
            squared,
        )
        losses.append(loss.masked_fill_(~both, 0))
        if wanted[0]:
            for force in forces:
                force.mul_(both[:, None]).mul_(share)
            slope[some] += forces[0]
            slope.index_add_(0, positive, forces[1])
            slope.index_add_(0, negative, forces[2])
    return reduce(torch.cat(losses), reduction, dtype), (slope,)


def _triplet(
    a: Tensor, p: Tensor, n: Tensor, margin: float | None, squared: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The loss of each, and its slopes in a, p and n.

    d(‖a − p‖² − ‖a − n‖²) = 2 (n − p)·da + 2 (p − a)·dp + 2 (a − n)·dn
    d(‖a − p‖ − ‖a − n‖) = (u − v)·da − u·dp + v·dn,
    with u and v the directions of a − p and a − n
    """
    if squared:
        in_a, in_p, in_n = n - p, p - a, a - n
        gap = (in_a * (in_n - in_p)).sum(-1, keepdim=True)
    else:
        to_p, to_n = a - p, a - n
        u, v = directions(to_p), directions(to_n)
        gap = (to_p.mul_(u) - to_n.mul_(v)).sum(-1, keepdim=True)
        in_a, in_p, in_n = u - v, u.neg_(), v
    if margin is None:
        loss, pull = F.softplus(gap), gap.sigmoid()
    else:
        loss = (gap + margin).relu_()
        pull = (loss > 0).to(gap.dtype)
    for force in (in_a, in_p, in_n):
        force.mul_(2 * pull if squared else pull)
    return loss[:, 0], (in_a, in_p, in_n)


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = 0.07,
    normalize: bool = True,
    symmetric: bool = False,
    reduction: str = "mean",
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    check_positive(temperature=temperature)
    check_rows(query=query, positive=positive)
    if negatives is None:
        dtype, *given = widen(query, positive)
        place = torch.arange(len(query), device=query.device)[:, None]
    else:
        check_candidates(negatives, query, symmetric)
        dtype, *given = widen(query, positive, negatives)
        place = None
    unit = [directions(x) for x in given] if normalize else given
    q, p, others = unit[0] / temperature, unit[1], unit[-1]
    own = (q * p).sum(-1, keepdim=True)
    among = wanted[2] if place is None else wanted[1]
    wants = wanted[0], among
    if symmetric:
        loss, pull, in_q, in_others = both_ways(q, p, own, wants)
    else:
        loss, pull, in_q, in_others = line_up(
            q, others, own, place, wanted=wants
        )
    # One's own logit, q·p / τ, falls by the weight of all the others.
    slopes = [None, None, None]
    if wanted[0]:
        slopes[0] = in_q.addcmul_(pull, p, value=-1).div_(temperature)
    if wanted[1]:
        slopes[1] = -pull * q if place is None else in_others - pull * q
    if wanted[2]:
        slopes[2] = in_others
    for k in compress(range(len(given)), wanted):
        if normalize:
            pull_back(slopes[k], given[k], unit[k])
        if reduction == "mean":
            slopes[k] /= len(query)
    return reduce(loss[:, 0], reduction, dtype), tuple(slopes)

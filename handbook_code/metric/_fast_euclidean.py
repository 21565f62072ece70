"""Losses of distances with their slopes, by blocks of rows."""

from itertools import compress

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._checks import check_nonnegative, check_positive
from handbook_code._fused import block
from handbook_code._reduce import reduce, widen
from handbook_code.metric._directions import directions, pull_back
from handbook_code.metric._hardest import centred, check_batch, hardest
from handbook_code.metric._line_up import both_ways, line_up
from handbook_code.metric._rows import check_candidates, check_rows


def triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: float = 0.2,
    squared: bool = True,
    reduction: str = "mean",
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    check_nonnegative(margin=margin)
    check_rows(anchor=anchor, positive=positive, negative=negative)
    dtype, *rows = widen(anchor, positive, negative)
    loss, pull, forces = _triplet(*rows, margin, squared)
    if reduction == "mean":
        pull /= len(pull)
    slopes = (
        force.mul_(pull[:, None]) if want else None
        for force, want in zip(forces, wanted, strict=True)
    )
    return reduce(loss, reduction, dtype), tuple(slopes)


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
    z, squares = centred(x)
    rows = max(1, block(x) // len(x))
    found = [
        hardest(z, squares, labels, slice(i, i + rows))
        for i in range(0, len(x), rows)
    ]
    p, n, both = map(torch.cat, zip(*found, strict=True))
    loss, pull, forces = _triplet(
        x, x.index_select(0, p), x.index_select(0, n), margin, squared
    )
    loss = reduce(loss.masked_fill_(~both, 0), reduction, dtype)
    if not wanted[0]:
        return loss, (None,)
    pull *= both / len(x) if reduction == "mean" else both
    slope, in_p, in_n = (f.mul_(pull[:, None]) for f in forces)
    return loss, (slope.index_add_(0, p, in_p).index_add_(0, n, in_n),)


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


def _triplet(
    a: Tensor, p: Tensor, n: Tensor, margin: float | None, squared: bool
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The losses, their slopes in the gaps, and of these in a, p and n.

    d(‖a − p‖² − ‖a − n‖²) = 2 (n − p)·da + 2 (p − a)·dp + 2 (a − n)·dn
    d(‖a − p‖ − ‖a − n‖) = (u − v)·da − u·dp + v·dn,
    with u and v the directions of a − p and a − n
    """
    if squared:
        forces = in_a, in_p, in_n = n - p, p - a, a - n
        gap, unit = (in_a * (in_n - in_p)).sum(-1), 2
    else:
        u, v = directions(a - p), directions(a - n)
        gap, unit = ((a - p) * u - (a - n) * v).sum(-1), 1
        forces = u - v, -u, v
    if margin is None:
        return F.softplus(gap), unit * gap.sigmoid(), forces
    loss = (gap + margin).relu_()
    return loss, unit * (loss > 0).to(gap.dtype), forces

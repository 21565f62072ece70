"""InfoNCE with its slopes, by blocks of the similarities."""

from itertools import compress

import torch
from torch import Tensor

from handbook_code._checks import check_positive
from handbook_code._reduce import reduce, widen
from handbook_code.metric._directions import directions, pull_back
from handbook_code.metric._line_up import line_up
from handbook_code.metric._rows import check_candidates, check_rows


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = 0.07,
    normalize: bool = True,
    reduction: str = "mean",
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    check_positive(temperature=temperature)
    check_rows(query=query, positive=positive)
    if negatives is None:
        dtype, *given = widen(query, positive)
        place = torch.arange(len(query), device=query.device)[:, None]
    else:
        check_candidates(negatives, query)
        dtype, *given = widen(query, positive, negatives)
        place = None
    unit = [directions(x) for x in given] if normalize else given
    q, p, others = unit[0] / temperature, unit[1], unit[-1]
    own = (q * p).sum(-1, keepdim=True)
    among = wanted[2] if place is None else wanted[1]
    loss, pull, in_q, in_others = line_up(
        q, others, own, place, wanted=(wanted[0], among)
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

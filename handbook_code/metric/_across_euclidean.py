"""InfoNCE of a batch whose parts lie on several processes."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._across import Ranks, first_only
from handbook_code._checks import check_positive
from handbook_code._reduce import check_reduction, no_autocast, widen
from handbook_code.metric._across_line_up import log_sums, slopes
from handbook_code.metric._directions import directions
from handbook_code.metric._rows import check_candidates, check_rows


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = 0.07,
    normalize: bool = True,
    reduction: str = "mean",
    ranks: Ranks,
) -> Tensor:
    check_positive(temperature=temperature)
    check_rows(query=query, positive=positive)
    check_reduction(reduction)
    if negatives is None:
        dtype, q, p = widen(query, positive)
        others = p
    else:
        check_candidates(negatives, query)
        dtype, q, p, others = widen(query, positive, negatives)
    ranks.agree()
    if normalize:
        q, p, others = directions(q), directions(p), directions(others)
    q = q / temperature
    own = (q * p).sum(-1)
    rest, _ = _Others.apply(q, others, ranks, negatives is None, False)
    return ranks.reduce(-F.logsigmoid(own - rest), reduction, dtype, "query")


class _Others(torch.autograd.Function):
    """log Σ exp(q·c) over the candidates of all ranks, without one's own.

    For each row of q, and for each candidate over all rows if both ways.
    """

    @staticmethod
    def forward(ctx, q, c, ranks, paired, both_ways):
        ctx.ranks, ctx.paired, ctx.both_ways = ranks, paired, both_ways
        columns = c.new_full((len(c),), -math.inf)

        def visit(source: int, q: Tensor) -> Tensor:
            place = _diagonal(q) if paired and source == ranks.rank else None
            over = columns if both_ways else None
            return log_sums(q, c, place, columns=over)

        q, c = q.contiguous(), c.contiguous()
        rest = ranks.tour("query", visit, q, merge=torch.logaddexp)
        ctx.save_for_backward(q, c, rest, columns)
        return rest, columns

    @staticmethod
    @first_only
    def backward(ctx, pull, pull_of_columns):
        q, c, rest, columns = ctx.saved_tensors
        ranks, in_c = ctx.ranks, torch.zeros_like(c)
        over = (columns, pull_of_columns) if ctx.both_ways else None

        def visit(source: int, q: Tensor, total: Tensor) -> Tensor:
            here = ctx.paired and source == ranks.rank
            place = _diagonal(q) if here else None
            with no_autocast(q):
                return slopes(q, c, place, total.unbind(1), in_c, columns=over)

        total = torch.stack([rest, pull])
        in_q = ranks.tour("query", visit, q, total.T.contiguous())
        return in_q, in_c, None, None, None


def _diagonal(q: Tensor) -> Tensor:
    return torch.arange(len(q), device=q.device)

"""Losses of pairs in a batch whose parts lie on several processes."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._across import Ranks, first_only
from handbook_code._checks import check_positive
from handbook_code._fused import block
from handbook_code._reduce import check_reduction, no_autocast, widen
from handbook_code.metric._across_line_up import log_sums, slopes
from handbook_code.metric._directions import directions
from handbook_code.metric._hardest import check_batch
from handbook_code.metric._rows import check_candidates, check_rows


def batch_hard_triplet(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float | None = 0.2,
    squared: bool = True,
    reduction: str = "mean",
    ranks: Ranks,
) -> Tensor:
    dtype, x = check_batch(embeddings, labels, margin)
    check_reduction(reduction)
    ranks.agree()
    p, n, both = _Hardest.apply(x, labels, ranks)
    to_p, to_n = x - p, x - n
    if squared:
        gap = ((n - p) * (to_p + to_n)).sum(-1)
    else:
        gap = (to_p * directions(to_p) - to_n * directions(to_n)).sum(-1)
    # softplus would forget the last digits above 20.
    hard = margin is not None
    loss = (gap + margin).relu() if hard else -F.logsigmoid(-gap)
    return ranks.reduce(
        loss.masked_fill(~both, 0), reduction, dtype, "embeddings"
    )


class _Hardest(torch.autograd.Function):
    """Of each row the farthest of its label, and the nearest other.

    The rows go round. Each rank gives its best of both kinds, and the better
    comes home: how good it is, whose, which, and the row itself.
    """

    @staticmethod
    def forward(ctx, x, labels, ranks):
        ctx.ranks, ctx.width = ranks, x.shape[1]
        z = _centred(x, ranks)

        def visit(source: int, z_of: Tensor, labels_of: Tensor) -> Tensor:
            itself = source == ranks.rank
            return _candidates(z_of, labels_of, z, labels, x, itself, ranks)

        best = ranks.tour("embeddings", visit, z, labels, merge=_better)
        good, whose, which = best[..., :3].unbind(-1)
        ctx.save_for_backward(whose, which)
        both = (good != -math.inf).all(-1)
        ctx.mark_non_differentiable(both)
        return best[:, 0, 3:].clone(), best[:, 1, 3:].clone(), both

    @staticmethod
    @first_only
    def backward(ctx, pull_of_p, pull_of_n, _):
        ranks = ctx.ranks
        whose, which = ctx.saved_tensors
        own = ranks.lengths["embeddings"][ranks.rank]
        slope = pull_of_p.new_zeros(own, ctx.width)

        def visit(source: int, pulls: Tensor, whose: Tensor, which: Tensor):
            mine = (whose == ranks.rank).to(pulls.dtype)
            if own:
                slope.index_add_(
                    0,
                    (which * mine).long().flatten(),
                    (pulls * mine[..., None]).flatten(0, 1),
                )

        pulls = torch.stack([pull_of_p, pull_of_n], 1)
        ranks.tour("embeddings", visit, pulls, whose, which)
        return slope, None, None


def _candidates(
    z_of: Tensor,
    labels_of: Tensor,
    z: Tensor,
    labels: Tensor,
    x: Tensor,
    itself: bool,
    ranks: Ranks,
) -> Tensor:
    """This rank's best of both kinds for a visitor's rows."""
    best = x.new_zeros(len(z_of), 2, 3 + x.shape[1])
    best[..., 0] = -math.inf
    if not len(z):
        return best
    best[..., 1] = ranks.rank
    squares = z.square().sum(1)
    rows = max(1, block(x) // len(z))
    for i in range(0, len(z_of), rows):
        some = slice(i, i + rows)
        same = labels_of[some, None] == labels
        with no_autocast(x):
            # ‖zᵢ − zⱼ‖² without ‖zᵢ‖²: the order in a row is the same.
            far = torch.addmm(squares, z_of[some], z.T, alpha=-2)
        friends = far.masked_fill(~same, -math.inf)
        if itself:
            friends.diagonal(i).fill_(-math.inf)
        strangers = (-far).masked_fill(same, -math.inf)
        for kind, those in enumerate((friends, strangers)):
            good, which = those.max(1)
            best[some, kind, 0] = good
            best[some, kind, 2] = which.to(x.dtype)
            best[some, kind, 3:] = x.index_select(0, which)
    return best


def _better(one: Tensor, other: Tensor) -> Tensor:
    good = one[..., :1]
    return torch.where((good > other[..., :1]) | good.isnan(), one, other)


def _centred(x: Tensor, ranks: Ranks) -> Tensor:
    """Of all ranks, moved and scaled alike, as by ``_hardest.centred``."""
    sound = x.detach().nan_to_num(0, 0, 0)
    count = max(sum(ranks.lengths["embeddings"]), 1)
    largest = sound.abs().amax() if len(x) else sound.new_zeros(())
    largest = ranks.max(largest)
    scale = torch.where(largest > 0, largest, 1)
    return x / scale - ranks.sum((sound / scale).sum(0)) / count


def info_nce(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = 0.07,
    normalize: bool = True,
    symmetric: bool = False,
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
        check_candidates(negatives, query, symmetric)
        dtype, q, p, others = widen(query, positive, negatives)
    ranks.agree()
    if normalize:
        q, p, others = directions(q), directions(p), directions(others)
    q = q / temperature
    own = (q * p).sum(-1)
    rest, back = _Others.apply(q, others, ranks, negatives is None, symmetric)
    loss = -F.logsigmoid(own - rest)
    if symmetric:
        loss = (loss - F.logsigmoid(own - back)) / 2
    return ranks.reduce(loss, reduction, dtype, "query")


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
        in_q = ranks.tour("query", visit, q, total.T)
        return in_q, in_c, None, None, None


def _diagonal(q: Tensor) -> Tensor:
    return torch.arange(len(q), device=q.device)

"""Angular margins with the centers of the classes on several processes.

Every rank holds some centers. The embeddings go round; whoever holds the
center of an embedding's class adds the margin.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._across import Ranks, first_only
from handbook_code._checks import check_nonnegative, check_positive
from handbook_code._reduce import check_reduction, no_autocast
from handbook_code.metric import _fast_angular as fast
from handbook_code.metric._across_line_up import log_sums, slopes
from handbook_code.metric._classes import (
    check_classes,
    check_radians,
    moments,
    usual,
)
from handbook_code.metric._directions import directions, pull_back


def sphereface(*args: Tensor, ranks: Ranks, **keywords: Any) -> Tensor:
    return fast.sphereface(*args, **keywords, road=partial(_margin, ranks))


def cosface(*args: Tensor, ranks: Ranks, **keywords: Any) -> Tensor:
    return fast.cosface(*args, **keywords, road=partial(_margin, ranks))


def arcface(*args: Tensor, ranks: Ranks, **keywords: Any) -> Tensor:
    return fast.arcface(*args, **keywords, road=partial(_margin, ranks))


def adaface(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    s: float = 64.0,
    m: float = 0.4,
    h: float = 0.333,
    norm_mean: float | Tensor | None = None,
    norm_std: float | Tensor | None = None,
    reduction: str = "mean",
    ranks: Ranks,
) -> Tensor:
    check_positive(s=s)
    check_nonnegative(h=h)
    check_radians(m)
    check_reduction(reduction)
    _, x, _, _ = check_classes(embeddings, centers, labels)
    lengths = (x * directions(x)).sum(-1).detach()
    usual(lengths, norm_mean=norm_mean, norm_std=norm_std)
    _agree(centers, labels, ranks)
    mean, std = moments(lengths, ranks.sum, sum(ranks.lengths["labels"]))
    return fast.adaface(
        embeddings,
        centers,
        labels,
        s=s,
        m=m,
        h=h,
        norm_mean=mean if norm_mean is None else norm_mean,
        norm_std=std if norm_std is None else norm_std,
        reduction=reduction,
        road=partial(_margin, ranks),
    )


def _agree(centers: Tensor, labels: Tensor, ranks: Ranks) -> None:
    """Also on the classes: a label that nobody has is an error on all."""
    ends = labels.aminmax() if len(labels) else (0, -1)
    least, most = (int(end) for end in ends)
    told = ranks.agree(least=least, most=most)
    classes = sum(ranks.lengths["centers"])
    for rank in range(ranks.size):
        least, most = told["least"][rank], told["most"][rank]
        if least < 0 or most >= classes:
            wrong = least if least < 0 else most
            raise ValueError(
                f"labels: expected classes from 0 to {classes - 1}, "
                f"got {wrong} on rank {rank}"
            )


def _margin(
    ranks: Ranks,
    target: Callable[..., tuple[Tensor, ...]],
    s: float | None,
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    reduction: str,
    _: Any,
) -> Tensor:
    """Cross-entropy of s cos θ, or of ‖x‖ cos θ without an s.

    Target gives the logit of the class itself, and its slopes in the
    direction of x (in x without an s) and in that of its center.
    """
    dtype, x, w, t = check_classes(embeddings, centers, labels)
    check_reduction(reduction)
    if not ranks.lengths:
        _agree(centers, labels, ranks)
    others, own = _Margin.apply(x, ranks.shard(w), t, ranks, target, s)
    loss = -F.logsigmoid(own - others)
    return ranks.reduce(loss, reduction, dtype, "labels")


class _Margin(torch.autograd.Function):
    """log Σ exp of the other classes' logits, and the logit of one's own."""

    @staticmethod
    def forward(ctx, x, w, t, ranks, target, s):
        ctx.ranks, ctx.shard = ranks, _Shard(w, ranks, target, s)
        with no_autocast(x):
            both = ranks.tour(
                "labels", ctx.shard.logits, x, t, merge=_together
            )
        ctx.save_for_backward(x, w, t, both)
        return both[:, 0].clone(), both[:, 1].clone()

    @staticmethod
    @first_only
    def backward(ctx, *pulls):
        x, w, t, both = ctx.saved_tensors
        slope = torch.zeros_like(w)
        visit = partial(ctx.shard.slopes, slope)
        told = torch.cat([both[:, :1], torch.stack(pulls, 1)], 1)
        with no_autocast(x):
            in_x = ctx.ranks.tour("labels", visit, x, t, told)
        ctx.shard.finish(slope)
        return in_x, slope, None, None, None, None


def _together(one: Tensor, other: Tensor) -> Tensor:
    """Only who holds the class knows its logit; it is −∞ elsewhere."""
    both = (one, other)
    others = torch.logaddexp(*(logits[:, 0] for logits in both))
    return torch.stack([others, torch.maximum(one[:, 1], other[:, 1])], 1)


class _Shard:
    """The classes of this rank, and what they do to visitors."""

    def __init__(
        self,
        w: Tensor,
        ranks: Ranks,
        target: Callable[..., tuple[Tensor, ...]],
        s: float | None,
    ):
        self.w, self.target, self.s = w, target, s
        self.inverse = fast._inverse_lengths(w)
        self.first = ranks.first("centers")

    def logits(self, source: int, x: Tensor, t: Tensor) -> Tensor:
        u, place, mine = self._receive(x, t)
        rows = x if self.s is None else self.s * u
        others = log_sums(rows, self.w, place, self.inverse)
        own = self.target(x, u, self._own(x, place))[0][:, 0]
        own = own if self.s is None else self.s * own
        own = own.masked_fill(~mine, -math.inf)
        return torch.stack([others, own], 1)

    def slopes(
        self, slope: Tensor, source: int, x: Tensor, t: Tensor, told: Tensor
    ) -> Tensor:
        """That in x; the one in the directions of w is added."""
        u, place, mine = self._receive(x, t)
        rows = x if self.s is None else self.s * u
        others, pull, pull_of_own = told.unbind(1)
        in_x = slopes(rows, self.w, place, (others, pull), slope, self.inverse)
        _, own_in_x, own_in_v = self.target(x, u, self._own(x, place))
        pull_of_own = (pull_of_own * mine)[:, None]
        in_x += pull_of_own * own_in_x
        own_in_v = pull_of_own * own_in_v
        if self.s is not None:
            own_in_v *= self.s
            pull_back(in_x.mul_(self.s), x, u)
        if len(self.w):
            slope.index_add_(0, place.clamp(min=0), own_in_v)
        return in_x

    def finish(self, slope: Tensor) -> None:
        """From the directions of w to w itself, in place."""
        for a, i, part in fast._blocks(self.w, self.inverse, slope):
            v = a * i
            part.addcmul_(v, (v * part).sum(-1, keepdim=True), value=-1)
            part.mul_(i)

    def _receive(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        place = t - self.first
        mine = (place >= 0) & (place < len(self.w))
        return directions(x), place.masked_fill(~mine, -1), mine

    def _own(self, x: Tensor, place: Tensor) -> Tensor:
        if not len(self.w):
            return torch.zeros_like(x)
        return directions(self.w.index_select(0, place.clamp(min=0)))

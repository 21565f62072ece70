"""Losses of distances and similarities between embeddings, rows of D numbers.

Which pairs, triplets or negatives to take is the caller's choice, except in
``batch_hard_triplet_loss``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._across import across
from handbook_code._checks import (
    check_nonnegative,
    check_positive,
    check_same_device,
    check_shape,
)
from handbook_code._fused import fused
from handbook_code._reduce import no_autocast, reduce, widen
from handbook_code.metric import _across_euclidean as over
from handbook_code.metric import _fast_euclidean as fast
from handbook_code.metric._directions import directions
from handbook_code.metric._hardest import centred, check_batch, hardest
from handbook_code.metric._line_up import pairs, reduced
from handbook_code.metric._rows import check_candidates, check_rows


def contrastive_loss(
    x1: Tensor,
    x2: Tensor,
    same: Tensor,
    *,
    margin: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """Draws alike pairs together; drives others apart, up to a margin.

    L = ½ (y d² + (1 − y) max(0, m − d)²),  d = ‖x₁ − x₂‖

    Args:
        x1: embeddings, (N, D).
        x2: what each is paired with, of the same shape.
        same: y, for each pair, (N,): whether the two are of one kind, as
            booleans or as 0 and 1, whole or floating-point. Hadsell et al.
            write it the other way round.
        margin: m ≥ 0, in the unit of the embeddings. They are not
            normalised.
        reduction: ``"none"`` (one value per pair), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. Two embeddings of a different kind that coincide have
        the gradient 0: no direction leads them apart.

    Raises:
        TypeError: if an embedding is not floating-point, or same is no
            tensor of real numbers or booleans, or the margin no number.
        ValueError: if shapes or devices differ, the margin is negative or
            not finite, or the reduction is unknown.

    Reference:
        Hadsell, Chopra, LeCun (2006), Dimensionality reduction by learning
        an invariant mapping.

    >>> x1, x2 = torch.zeros(3, 2), torch.tensor([[0.6, 0.8]]).expand(3, 2)
    >>> same = torch.tensor([True, False, False])
    >>> contrastive_loss(x1, x2, same, margin=2.0, reduction="none")
    tensor([0.5000, 0.5000, 0.5000])
    """
    check_nonnegative(margin=margin)
    check_rows(x1=x1, x2=x2)
    _check_labels(same, x1)
    dtype, x1, x2 = widen(x1, x2)
    y = same.to(x1.dtype)
    difference = x1 - x2
    # y comes first: zero times infinity is no number.
    near = (y[:, None] * difference * difference).sum(-1)
    short = (margin - _length(difference)).relu()
    return reduce((near + (1 - y) * short**2) / 2, reduction, dtype)


@fused(fast.triplet, "anchor", "positive", "negative", least=1 << 13)
def triplet_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: float = 0.2,
    squared: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """Wants the negative farther than the positive, by a margin.

    L = max(0, ‖a − p‖² − ‖a − n‖² + m)

    Args:
        anchor: a, embeddings, (N, D).
        positive: p, of the anchor's kind, of the same shape.
        negative: n, of another kind, of the same shape.
        margin: m ≥ 0, in the square of the embeddings' unit, or in their
            unit if not squared. They are not normalised: FaceNet's have
            length one.
        squared: whether distances are squared, as in FaceNet; torch's
            ``TripletMarginLoss`` does not square.
        reduction: ``"none"`` (one value per anchor), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. Where all three coincide it is m. Then the gradient is
        0, and the triplet cannot leave.

    Raises:
        TypeError: if a tensor is not floating-point, or the margin no number.
        ValueError: if shapes or devices differ, the margin is negative or
            not finite, or the reduction is unknown.

    Reference:
        Schroff, Kalenichenko, Philbin (2015), FaceNet: A unified embedding
        for face recognition and clustering.

    >>> a, p, n = torch.tensor([[[0.0]], [[1.0]], [[2.0]]])
    >>> triplet_loss(a, p, n), triplet_loss(a, n, p)
    (tensor(0.), tensor(3.2000))
    """
    check_nonnegative(margin=margin)
    check_rows(anchor=anchor, positive=positive, negative=negative)
    dtype, a, p, n = widen(anchor, positive, negative)
    gap = _gap(a, p, n, squared)
    return reduce((gap + margin).relu(), reduction, dtype)


@across(over.batch_hard_triplet)
@fused(fast.batch_hard_triplet, "embeddings", least=1 << 13, when=reduced)
def batch_hard_triplet_loss(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float | None = 0.2,
    squared: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The triplet loss of each embedding's hardest triplet in the batch.

    Lᵢ = max(0, max ‖xᵢ − xₚ‖² − min ‖xᵢ − xₙ‖² + m), over the others p of
    the label of i and all n of another label

    Args:
        embeddings: x, (N, D), not normalised by the loss. Each is an anchor.
        labels: of what kind each is, integers of shape (N,).
        margin: m ≥ 0, in the square of the embeddings' unit, or in their
            unit if not squared. None for a soft margin: log(1 + exp(·)) in
            place of max(0, · + m).
        squared: whether distances are squared, as in ``triplet_loss``; those
            of Hermans et al. are not.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own rows for
            ``"none"``; the gradient in a part is multiplied by their number,
            which ``DistributedDataParallel`` divides by.
        reduction: ``"none"`` (one value per anchor), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. An anchor that is the only one of its label, or has no
        other label beside it, costs 0, and counts in the mean. Which triplet
        is the hardest is taken as given by the gradient; among equally far
        ones, it is any one of them.

    Raises:
        TypeError: if the embeddings are not floating-point, labels not
            integers, or the margin neither a number nor None.
        ValueError: if shapes or devices do not fit, the margin is negative
            or not finite, or the reduction is unknown.

    Reference:
        Hermans, Beyer, Leibe (2017), In defense of the triplet loss for
        person re-identification.

    >>> x = torch.tensor([[0.0], [1.0], [3.0], [1.5]])
    >>> labels = torch.tensor([0, 0, 0, 1])
    >>> batch_hard_triplet_loss(x, labels, margin=0.0, reduction="none")
    tensor([6.7500, 3.7500, 6.7500, 0.0000])
    """
    dtype, x = check_batch(embeddings, labels, margin)
    positive, negative, both = hardest(*centred(x.detach()), labels)
    gap = _gap(x, x[positive], x[negative], squared)
    loss = F.softplus(gap) if margin is None else (gap + margin).relu()
    return reduce(loss.masked_fill(~both, 0), reduction, dtype)


@across(over.info_nce)
@fused(
    fast.info_nce, "query", "positive", "negatives",
    least=1 << 14, size=pairs, when=reduced,
)  # fmt: skip
def info_nce_loss(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor | None = None,
    *,
    temperature: float = 0.07,
    normalize: bool = True,
    symmetric: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of picking each query's own positive out of a line-up.

    Lᵢ = log Σⱼ exp(sᵢⱼ / τ) − sᵢᵢ / τ

    sᵢⱼ is the similarity of query i and candidate j. The candidates of a
    query are its positive and the negatives, or the positives of the whole
    batch. Each query chooses among positives; if symmetric, each positive
    chooses among queries as well, and Lᵢ is the mean of both.

    Args:
        query: embeddings, (N, D).
        positive: for each query, the one to be found, of the same shape.
        negatives: the others, (M, D), shared by all queries. If None, the
            positives of the other rows of the batch.
        temperature: τ > 0.
        normalize: whether similarity is the cosine; if not, it is the inner
            product. A zero vector has the cosine 0 with everything.
        symmetric: whether positives choose too, as in CLIP, whose two towers
            give query and positive. It knows no further negatives.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own rows for
            ``"none"``; the gradient in a part is multiplied by their number,
            which ``DistributedDataParallel`` divides by.
        reduction: ``"none"`` (one value per query), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0, and log N for a query to which all N candidates are
        alike. With nothing to choose from, a batch of one and no negatives,
        it is 0.

    Raises:
        TypeError: if a tensor is not floating-point, or τ not a number.
        ValueError: if shapes or devices differ, τ is not positive and
            finite, there are negatives though it is symmetric, or the
            reduction is unknown.

    Reference:
        van den Oord, Li, Vinyals (2018), Representation learning with
        contrastive predictive coding; symmetric: Radford et al. (2021),
        Learning transferable visual models from natural language
        supervision.

    >>> info_nce_loss(torch.eye(2), torch.eye(2), temperature=1.0)
    tensor(0.3133)
    """
    check_positive(temperature=temperature)
    check_rows(query=query, positive=positive)
    if negatives is None:
        dtype, q, p = widen(query, positive)
        others = p
    else:
        check_candidates(negatives, query, symmetric)
        dtype, q, p, others = widen(query, positive, negatives)
    if normalize:
        q, p, others = directions(q), directions(p), directions(others)
    # Autocast would round the similarities before τ magnifies them.
    with no_autocast(q):
        scores = q @ others.T
    if negatives is None:
        own = scores.diagonal()[:, None]
    else:
        own = (q * p).sum(-1, keepdim=True)
        scores = torch.cat([own, scores], dim=1)
    loss = ((scores - own) / temperature).logsumexp(-1)
    if symmetric:
        back = ((scores.T - own) / temperature).logsumexp(-1)
        loss = (loss + back) / 2
    return reduce(loss, reduction, dtype)


def _gap(a: Tensor, p: Tensor, n: Tensor, squared: bool) -> Tensor:
    """By how much p is farther from a than n is."""
    if squared:
        # Far out, a difference of two squares would lose all its digits.
        return ((n - p) * ((a - p) + (a - n))).sum(-1)
    return _length(a - p) - _length(a - n)


def _length(x: Tensor) -> Tensor:
    """The norm of each row, with the gradient 0 at 0."""
    return (x * directions(x)).sum(-1)


def _check_labels(same: Tensor, x1: Tensor) -> None:
    if not isinstance(same, Tensor):
        got = type(same).__name__
        raise TypeError(f"same: expected a tensor, got {got}")
    if same.is_complex():
        raise TypeError(
            f"same: expected booleans or real numbers, got {same.dtype}"
        )
    check_same_device(x1=x1, same=same)
    meaning = f"a label for each row of {tuple(x1.shape)}"
    check_shape("same", same, meaning, x1.shape[:1])

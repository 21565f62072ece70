"""Losses of distances: parity, values by hand, extremes and messages."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from handbook_code import contrastive_loss, info_nce_loss, triplet_loss
from peers import peer

MARGINS = [0.3, 1.0, 4.0]


def with_slopes(loss, *tensors, **options):
    """A value and its slopes in all that it is given."""
    tensors = [t.detach().requires_grad_() for t in tensors]
    value = loss(*tensors, **options)
    return value, *torch.autograd.grad(value.sum(), tensors)


def agree(ours, theirs, *tensors):
    torch.testing.assert_close(
        with_slopes(ours, *tensors), with_slopes(theirs, *tensors)
    )


# Parity


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_triplet_is_torch_s_loss_of_a_squared_distance(
    margin, reduction, rows
):
    theirs = torch.nn.TripletMarginWithDistanceLoss(
        distance_function=lambda x, y: (x - y).square().sum(-1),
        margin=margin,
        reduction=reduction,
    )
    ours = partial(triplet_loss, margin=margin, reduction=reduction)
    agree(ours, theirs, *rows)


@pytest.mark.parametrize("margin", MARGINS)
def test_triplet_without_squares_is_torch_s_triplet_margin_loss(margin, rows):
    """Torch adds eps to each coordinate of a difference."""
    theirs = partial(F.triplet_margin_loss, margin=margin, eps=0)
    agree(partial(triplet_loss, margin=margin, squared=False), theirs, *rows)
    torch.testing.assert_close(
        F.triplet_margin_loss(*rows, margin=margin),
        triplet_loss(*rows, margin=margin, squared=False),
        atol=1e-5,
        rtol=0,
    )
    assert not torch.allclose(
        F.triplet_margin_loss(*rows), triplet_loss(*rows, margin=1.0)
    )


@pytest.mark.parametrize("power", [1, 2])
def test_triplet_is_that_of_pytorch_metric_learning(power, rows):
    """Theirs normalises by default, and divides by the active triplets."""
    losses = peer("pytorch_metric_learning.losses")
    lp = peer("pytorch_metric_learning.distances").LpDistance
    mean = peer("pytorch_metric_learning.reducers").MeanReducer()
    distance = lp(normalize_embeddings=False, power=power)
    i = torch.arange(40)
    indices = i, i + 40, i + 80

    def theirs(*rows, **options):
        loss = losses.TripletMarginLoss(0.7, distance=distance, **options)
        return loss(torch.cat(rows), indices_tuple=indices)

    ours = partial(triplet_loss, margin=0.7, squared=power == 2)
    agree(ours, partial(theirs, reducer=mean), *rows)
    active = (ours(*rows, reduction="none") > 0).sum()
    assert active < 40
    torch.testing.assert_close(theirs(*rows), 40 / active * ours(*rows))
    default = losses.TripletMarginLoss(0.7)
    unit = [F.normalize(x, dim=-1) for x in rows]
    each = triplet_loss(*unit, margin=0.7, squared=False, reduction="none")
    torch.testing.assert_close(
        default(torch.cat([*rows]), indices_tuple=indices),
        each.sum() / (each > 0).sum(),
    )


@pytest.mark.parametrize("margin", MARGINS)
def test_contrastive_is_half_the_square_of_torch_s_hinge_embedding(
    margin, rows, same
):
    """Pair by pair: theirs is the distance, or what is missing of it."""
    x1, x2, _ = rows
    label = 2.0 * same.double() - 1

    def theirs(x1, x2):
        distance = (x1 - x2).norm(dim=-1)
        each = F.hinge_embedding_loss(
            distance, label, margin=margin, reduction="none"
        )
        return (each**2).mean() / 2

    agree(lambda a, b: contrastive_loss(a, b, same, margin=margin),
          theirs, x1, x2)  # fmt: skip


def test_contrastive_is_not_the_one_of_pytorch_metric_learning(rows, same):
    """Theirs is not squared, and has unit vectors."""
    losses = peer("pytorch_metric_learning.losses")
    lp = peer("pytorch_metric_learning.distances").LpDistance
    none = peer("pytorch_metric_learning.reducers").DoNothingReducer()
    x1, x2, _ = rows
    i = torch.arange(40)
    pairs = (
        i[same], i[same] + 40, i[~same], i[~same] + 40,
    )  # fmt: skip

    def theirs(**options):
        loss = losses.ContrastiveLoss(neg_margin=4, reducer=none, **options)
        parts = loss(torch.cat([x1, x2]), indices_tuple=pairs)
        each = torch.empty_like(x1[:, 0])
        each[same] = parts["pos_loss"]["losses"]
        each[~same] = parts["neg_loss"]["losses"]
        return each

    ours = partial(contrastive_loss, margin=4, reduction="none")
    plain = theirs(distance=lp(normalize_embeddings=False))
    torch.testing.assert_close(ours(x1, x2, same), plain**2 / 2)
    unit = [F.normalize(x, dim=-1) for x in (x1, x2)]
    torch.testing.assert_close(ours(*unit, same), theirs() ** 2 / 2)


def test_contrastive_is_not_torch_s_cosine_embedding_loss(rows, same):
    """Alike unit vectors cost the same there; other pairs do not."""
    x1, x2 = F.normalize(rows[:2], dim=-1)
    label = 2.0 * same.double() - 1
    theirs = F.cosine_embedding_loss(x1, x2, label, reduction="none")
    ours = contrastive_loss(x1, x2, same, margin=2, reduction="none")
    torch.testing.assert_close(ours[same], theirs[same])
    assert not torch.allclose(ours[~same], theirs[~same])


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
@pytest.mark.parametrize("normalize", [True, False])
def test_info_nce_is_cross_entropy_over_candidates(
    temperature, normalize, rows
):
    unit = partial(F.normalize, dim=-1) if normalize else lambda x: x
    options = {"temperature": temperature, "normalize": normalize}

    def of_the_batch(query, positive):
        scores = unit(query) @ unit(positive).T
        return F.cross_entropy(scores / temperature, torch.arange(40))

    def of_a_list(query, positive, negatives):
        own = (unit(query) * unit(positive)).sum(-1, keepdim=True)
        scores = torch.cat([unit(query) @ unit(negatives).T, own], dim=1)
        label = torch.full((40,), len(negatives))
        return F.cross_entropy(scores / temperature, label)

    agree(partial(info_nce_loss, **options), of_the_batch, *rows[:2])
    others = rows[2][:7]
    agree(partial(info_nce_loss, **options), of_a_list, *rows[:2], others)


def test_info_nce_is_ntxent_of_pytorch_metric_learning_with_references(rows):
    """Theirs takes negatives from the references, where there are any."""
    theirs = peer("pytorch_metric_learning.losses").NTXentLoss(0.5)
    kind = torch.arange(40)
    agree(
        partial(info_nce_loss, temperature=0.5),
        lambda q, p: theirs(q, kind, ref_emb=p, ref_labels=kind.clone()),
        *rows[:2],
    )


def test_info_nce_does_not_saturate_as_pytorch_metric_learning_s():
    """The wrong row fits better by 2: the loss is 2 / τ, and pulls."""
    theirs = peer("pytorch_metric_learning.losses").NTXentLoss(1e-3)
    query = torch.tensor([[1.0, 1e-3], [0.0, 1.0]])
    positive = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    kind = torch.arange(2)
    value, slope = with_slopes(
        lambda q: theirs(q, kind, ref_emb=positive, ref_labels=kind.clone()),
        query,
    )
    assert value < 100 and slope[0].abs().max() == 0
    value, slope = with_slopes(
        lambda q: info_nce_loss(
            q, positive, temperature=1e-3, reduction="none"
        ),
        query,
    )
    assert value[0].item() == pytest.approx(2000)
    assert slope[0].abs().max() > 1


def test_info_nce_with_negatives_is_lightly_s_with_a_memory_bank(rows):
    loss = peer("lightly.loss").NTXentLoss(0.2, memory_bank_size=(8, 5))
    bank = F.normalize(rows[2][:8], dim=-1)

    def theirs(query, positive):
        loss.memory_bank.bank = bank
        return loss(query, positive)

    agree(
        lambda q, p: info_nce_loss(q, p, bank, temperature=0.2),
        theirs,
        *rows[:2],
    )


@pytest.mark.parametrize("name", ["lightly", "monai"])
def test_nt_xent_is_one_call_for_each_row(name, rows):
    """Theirs: both views are queries, and all other rows negatives."""
    if name == "lightly":
        theirs = peer("lightly.loss").NTXentLoss(0.5)
    else:
        theirs = peer("monai.losses").ContrastiveLoss(0.5)
    apart = ~torch.eye(40, dtype=torch.bool)
    others = torch.arange(40).expand(40, 40)[apart].view(40, 39)

    def ours(x1, x2):
        one_by_one = torch.vmap(partial(info_nce_loss, temperature=0.5))
        negatives = torch.cat([x1[others], x2[others]], dim=1)
        there = one_by_one(x1[:, None], x2[:, None], negatives)
        back = one_by_one(x2[:, None], x1[:, None], negatives)
        return (there + back).mean() / 2

    agree(ours, theirs, *rows[:2])
    both = (info_nce_loss(*rows[:2]) + info_nce_loss(*rows[[1, 0]])) / 2
    assert not torch.allclose(both, theirs(*rows[:2]))


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_symmetric_info_nce_is_clip_s(temperature, normalize, rows):
    """A cross-entropy over the rows of one matrix, and one over columns."""
    unit = partial(F.normalize, dim=-1) if normalize else lambda x: x
    own = torch.arange(40)

    def clip(query, positive):
        scores = unit(query) @ unit(positive).T / temperature
        there, back = (F.cross_entropy(s, own) for s in (scores, scores.T))
        return (there + back) / 2

    ours = partial(
        info_nce_loss, temperature=temperature, normalize=normalize,
        symmetric=True,
    )  # fmt: skip
    agree(ours, clip, *rows[:2])
    there, back = (
        info_nce_loss(
            *towers, temperature=temperature, normalize=normalize,
            reduction="none",
        )
        for towers in (rows[:2], rows[[1, 0]])
    )  # fmt: skip
    torch.testing.assert_close(
        ours(*rows[:2], reduction="none"), (there + back) / 2
    )


# By hand


def test_contrastive_by_hand(device):
    """A 3-4-5 triangle: 25/2 if alike; (7 − 5)²/2 if not, at a margin of 7."""
    x1, x2 = torch.zeros(3, 2), torch.tensor([[3.0, 4.0]]).expand(3, 2)
    same = torch.tensor([True, False, False])
    for labels in (same, same.long(), same.float(), same.double()):
        each = contrastive_loss(x1, x2, labels, margin=7, reduction="none")
        torch.testing.assert_close(each, torch.tensor([12.5, 2.0, 2.0]))
        assert contrastive_loss(x1, x2, labels, margin=5).item() == (
            pytest.approx(12.5 / 3)
        )


def test_triplet_by_hand(device):
    """Distances 2 and 3: 4 − 9 + m squared, 2 − 3 + m plain."""
    a, p, n = torch.tensor([[[0.0]], [[2.0]], [[-3.0]]])
    assert triplet_loss(a, p, n, margin=6.0).item() == pytest.approx(1)
    assert triplet_loss(a, p, n, margin=5.0).item() == 0
    plain = triplet_loss(a, p, n, margin=1.5, squared=False)
    assert plain.item() == pytest.approx(0.5)


def test_info_nce_by_hand(device):
    """Similarities 1 and 0 at τ = ½: log(e² + e⁰) − 2; or two zeros more."""
    eye = torch.eye(2)
    loss = info_nce_loss(3 * eye, eye, temperature=0.5)
    assert loss.item() == pytest.approx(math.log(math.e**2 + 1) - 2, abs=1e-6)
    query, others = torch.eye(3)[:2], torch.eye(3)[2:].expand(2, 3)
    loss = info_nce_loss(query, query, others, temperature=0.5)
    assert loss.item() == pytest.approx(math.log(math.e**2 + 2) - 2, abs=1e-6)
    loss = info_nce_loss(3 * eye, eye, temperature=0.5, normalize=False)
    assert loss.item() == pytest.approx(math.log(math.e**6 + 1) - 6, abs=1e-6)


def test_a_batch_of_one_without_negatives_has_nothing_to_tell(device):
    query = torch.randn(1, 3)
    value, slope = with_slopes(info_nce_loss, query, torch.randn(1, 3))[:2]
    assert value == 0 and (slope == 0).all()
    nobody = torch.empty(0, 3)
    assert info_nce_loss(query, -query, nobody) == 0

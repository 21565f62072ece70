"""The hardest triplets of a batch: a loop, peers, both roads, corners."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    _fused,
    batch_hard_triplet_loss,
    formulas_only,
    triplet_loss,
)
from naive import assert_agrees_with_loop
from peers import peer

MARGINS = [0.0, 0.7, 5.0, None]
roads = pytest.mark.parametrize("by_formula", [False, True])


@pytest.fixture(params=[1 << 16, 90], ids=["one block", "blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", request.param)
    monkeypatch.setattr(batch_hard_triplet_loss, "least", 0)


@pytest.fixture
def kinds(generator):
    """Of forty rows; two are the only ones of their kind."""
    labels = torch.randint(6, (40,), generator=generator)
    labels[7], labels[23] = 11, 12
    return labels


def with_slope(loss, x, labels, by_formula=False):
    x = x.detach().requires_grad_()
    value = formulas_only()(loss)(x, labels) if by_formula else loss(x, labels)
    return value.detach(), torch.autograd.grad(value.sum(), x)[0]


def loop(labels, margin, squared):
    """Hermans et al., one anchor after the other."""

    def mean(rows):
        total = 0.0
        for i, a in enumerate(rows):
            apart = [math.dist(a, b) ** (1 + squared) for b in rows]
            friends = [
                d for j, d in enumerate(apart)
                if j != i and labels[j] == labels[i]
            ]  # fmt: skip
            strangers = [
                d for j, d in enumerate(apart) if labels[j] != labels[i]
            ]
            if friends and strangers:
                gap = max(friends) - min(strangers)
                total += (
                    math.log1p(math.exp(gap))
                    if margin is None
                    else max(0, gap + margin)
                )
        return total / len(rows)

    return mean


@roads
@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("squared", [True, False])
def test_it_is_a_loop_over_the_batch(
    squared, margin, by_formula, rows, kinds, blocks
):
    loss = partial(batch_hard_triplet_loss, margin=margin, squared=squared)
    if by_formula:
        loss = formulas_only()(loss)
    assert_agrees_with_loop(
        lambda many: torch.stack([loss(x, kinds) for x in many]),
        loop(kinds.tolist(), margin, squared),
        rows[:1],
    )


@roads
@pytest.mark.parametrize("squared", [True, False])
def test_it_is_the_mined_loss_of_pytorch_metric_learning(
    squared, by_formula, rows, kinds
):
    """Theirs leaves out anchors that lack a friend; here they cost 0."""
    lp = peer("pytorch_metric_learning.distances").LpDistance
    distance = lp(normalize_embeddings=False, power=1 + squared)
    mine = peer("pytorch_metric_learning.miners").BatchHardMiner(
        distance=distance
    )
    theirs = peer("pytorch_metric_learning.losses").TripletMarginLoss(
        0.7,
        distance=distance,
        reducer=peer("pytorch_metric_learning.reducers").MeanReducer(),
    )
    ours = partial(batch_hard_triplet_loss, margin=0.7, squared=squared)
    x = rows[0]
    value, slope = with_slope(lambda x, y: theirs(x, y, mine(x, y)), x, kinds)
    anchors = 38 / 40  # two are alone
    torch.testing.assert_close(
        with_slope(ours, x, kinds, by_formula),
        (value * anchors, slope * anchors),
    )


def test_the_authors_charge_who_is_alone_for_its_nearest_stranger(rows, kinds):
    """Their code takes 0 for the farthest of no friends: one more rule."""
    x = rows[0]
    apart = torch.cdist(x, x)
    same = kinds[:, None] == kinds
    far = (apart * same).amax(1)
    near = apart.masked_fill(same, math.inf).amin(1)
    each = (far - near + 5.0).relu()
    ours = batch_hard_triplet_loss(
        x, kinds, margin=5.0, squared=False, reduction="none"
    )
    alone = torch.zeros(40, dtype=torch.bool)
    alone[[7, 23]] = True
    torch.testing.assert_close(ours[~alone], each[~alone])
    assert (ours[alone] == 0).all() and each[alone].any()


def test_no_triplet_of_an_anchor_costs_more(rows, kinds):
    x = rows[0]
    hardest = batch_hard_triplet_loss(x, kinds, reduction="none")
    for i in range(40):
        friends = [j for j in range(40) if j != i and kinds[j] == kinds[i]]
        strangers = [j for j in range(40) if kinds[j] != kinds[i]]
        if friends:
            a, p, n = (
                t.flatten()
                for t in torch.meshgrid(
                    torch.tensor([i]), torch.tensor(friends),
                    torch.tensor(strangers), indexing="ij",
                )
            )  # fmt: skip
            each = triplet_loss(x[a], x[p], x[n], reduction="none")
            torch.testing.assert_close(each.max(), hardest[i])


def test_by_hand(device):
    """On a line, 0 1 3 of one kind and 1.5: 9 − 2.25, 4 − .25, 9 − 2.25."""
    x = torch.tensor([[0.0], [1.0], [3.0], [1.5]])
    labels = torch.tensor([5, 5, 5, -2])
    loss = partial(batch_hard_triplet_loss, reduction="none")
    each = loss(x, labels, margin=0.0)
    torch.testing.assert_close(each, torch.tensor([6.75, 3.75, 6.75, 0]))
    plain = loss(x, labels, margin=0.0, squared=False)
    torch.testing.assert_close(plain, torch.tensor([1.5, 1.5, 1.5, 0]))
    soft = loss(x, labels, margin=None, squared=False)
    expected = F.softplus(plain) * torch.tensor([1, 1, 1, 0])
    torch.testing.assert_close(soft, expected)


# Corners, by both roads


@roads
@pytest.mark.parametrize("margin", [0.3, None])
def test_who_lacks_a_friend_or_a_stranger_costs_nothing(
    margin, by_formula, rows, blocks
):
    loss = partial(batch_hard_triplet_loss, margin=margin)
    for labels in (torch.zeros(40).long(), torch.arange(40)):
        value, slope = with_slope(loss, rows[0], labels, by_formula)
        assert value == 0 and (slope == 0).all()
    value, slope = with_slope(loss, rows[0, :1], labels[:1], by_formula)
    assert value == 0 and (slope == 0).all()


@roads
@pytest.mark.parametrize("squared", [True, False])
def test_all_in_one_place_cost_the_margin_and_stay(
    squared, by_formula, blocks
):
    labels = torch.arange(40) % 4
    loss = partial(batch_hard_triplet_loss, margin=0.7, squared=squared)
    for x in (torch.zeros(40, 3), torch.full((40, 3), 7.3)):
        value, slope = with_slope(loss, x, labels, by_formula)
        assert value.item() == pytest.approx(0.7)
        assert (slope == 0).all()


@roads
def test_far_from_the_origin_the_same_are_the_hardest(
    by_formula, rows, kinds, blocks
):
    """Squares of 1e4 leave no digits for distances of one, in float32."""
    x = (64 * rows[0]).round() / 64  # exact after the move as well
    near = with_slope(batch_hard_triplet_loss, x.float(), kinds, by_formula)
    far = with_slope(
        batch_hard_triplet_loss, x.float() + 2.0**14, kinds, by_formula
    )
    torch.testing.assert_close(far, near, rtol=1e-3, atol=1e-4)


@roads
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e12, 1e30])
def test_embeddings_of_any_size(size, by_formula, rows, kinds, blocks):
    loss = partial(batch_hard_triplet_loss, squared=False)
    x = rows[0]
    value, slope = with_slope(partial(loss, margin=1.0), x, kinds)
    scaled = with_slope(
        partial(loss, margin=size), (size * x).float(), kinds, by_formula
    )
    torch.testing.assert_close(
        scaled[0] / size, value.float(), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(scaled[1], slope.float())


@roads
def test_nan_and_infinity_do_not_go_unseen(by_formula, rows, kinds, blocks):
    """NaN even of a row that is alone; infinity where there is a friend."""
    for place, wrong in ((7, math.nan), (0, math.inf), (0, -math.inf)):
        x = rows[0].clone()
        x[place, 1] = wrong
        value, _ = with_slope(batch_hard_triplet_loss, x, kinds, by_formula)
        assert not value.isfinite()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_roads_agree(reduction, rows, kinds, blocks):
    x = rows[0].T.contiguous().T  # of another layout
    for margin in MARGINS:
        for squared in (True, False):
            loss = partial(
                batch_hard_triplet_loss, margin=margin, squared=squared,
                reduction=reduction,
            )  # fmt: skip
            for labels in (kinds, kinds.int(), -kinds):
                torch.testing.assert_close(
                    with_slope(loss, x, labels),
                    with_slope(loss, x, labels, True),
                )


def test_one_value_for_each_anchor_is_left_to_the_formula(rows, kinds):
    x = rows[0].clone().requires_grad_()
    each = batch_hard_triplet_loss(x, kinds, reduction="none")
    pull = torch.rand(40).double()
    (slope,) = torch.autograd.grad(each, x, pull)
    each = batch_hard_triplet_loss(x, kinds, reduction="none")
    (right,) = torch.autograd.grad((pull * each).sum(), x)
    torch.testing.assert_close(slope, right)


def test_autocast_chooses_the_same(rows, kinds, blocks):
    x = rows[0].float()
    right = with_slope(batch_hard_triplet_loss, x, kinds)
    for by_formula in (False, True):
        with torch.autocast("cpu", torch.bfloat16):
            found = with_slope(batch_hard_triplet_loss, x, kinds, by_formula)
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize("margin", [2.0, None])
def test_derivatives_not_squared_forward_backward_and_twice(
    margin, rows, kinds
):
    loss = partial(batch_hard_triplet_loss, margin=margin, squared=False)
    few = rows[0, :9].clone().requires_grad_()
    labels = kinds[:9] % 3
    assert torch.autograd.gradcheck(
        lambda x: loss(x, labels), few,
        check_forward_ad=True, check_batched_grad=True,
    )  # fmt: skip
    assert torch.autograd.gradgradcheck(lambda x: loss(x, labels), few)


def test_memory_grows_with_the_rows_and_not_with_their_pairs(
    largest, monkeypatch
):
    """The rows of a block are fewer where there are more: N·D numbers."""
    monkeypatch.setattr(batch_hard_triplet_loss, "least", 0)
    monkeypatch.setattr(_fused, "BLOCK", 1 << 13)
    threads = torch.get_num_threads()
    for count in (500, 1000, 2000):
        x = torch.randn(count, 8, requires_grad=True)
        labels = torch.arange(count) // 4
        with largest() as made:
            batch_hard_triplet_loss(x, labels).backward()
        assert made.elements <= max(8 * count, threads << 13)
    with largest() as made, formulas_only():
        batch_hard_triplet_loss(x, labels).backward()
    assert made.elements == 2000**2


# Messages


@roads
def test_mistakes_are_told(by_formula, rows, kinds, device):
    x = rows[0].to(device).clone().requires_grad_()
    y = kinds.to(device)
    loss = batch_hard_triplet_loss
    if by_formula:
        loss = formulas_only()(loss)
    for error, message, arguments, options in [
        (TypeError, r"^embeddings: .* a tensor, got list$", ([1], y), {}),
        (TypeError, r"^embeddings: expected a floating", (x.long(), y), {}),
        (ValueError, r"^embeddings: .* \(N, D\), got \(5,\)$", (x[0], y), {}),
        (TypeError, r"^labels: expected an integer tensor", (x, x[:, 0]), {}),
        (ValueError, r"^labels: .* \(40,\), got \(39,\)$", (x, y[1:]), {}),
        (ValueError, r"^margin: .* 0, got -1", (x, y), {"margin": -1}),
        (TypeError, r"^margin: .* got str", (x, y), {"margin": "soft"}),
        (ValueError, r"^reduction: ", (x, y), {"reduction": "avg"}),
    ]:  # fmt: skip
        with pytest.raises(error, match=message):
            loss(*arguments, **options)
    meta = torch.ones(4, 3, device="meta")
    kinds = torch.ones(4, device="meta", dtype=torch.long)
    assert batch_hard_triplet_loss(meta, kinds).shape == ()

"""Losses of distances: coincidences, tiny and huge embeddings, messages."""

import math

import pytest
import torch

from handbook_code import contrastive_loss, info_nce_loss, triplet_loss
from handbook_code.catalogue import CATALOGUE

LOSSES = [
    loss.function
    for loss in CATALOGUE
    if loss.chapter == "metric/euclidean"
    and loss.name != "batch_hard_triplet_loss"  # in test_batch_hard.py
]
SIZES = [1e-30, 1e-12, 1.0, 1e12, 1e30]


def slope(function, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0]


@pytest.mark.parametrize("margin", [0.0, 1.0])
@pytest.mark.parametrize("kind", [True, False])
def test_a_coincident_pair_has_the_gradient_zero(kind, margin, device):
    x, same = torch.ones(4, 3), torch.full((4,), kind)
    pull = slope(lambda x1: contrastive_loss(x1, x, same, margin=margin), x)
    assert (pull == 0).all()
    twice = torch.autograd.functional.hessian(
        lambda x1: contrastive_loss(x1, x, same, margin=margin), x
    )
    assert twice.isfinite().all()


@pytest.mark.parametrize("size", SIZES[:-1])
def test_a_pair_of_any_size_pulls_along_the_line_between(size, device):
    """Alike with the difference; unlike with what is missing to m."""
    x1, direction = torch.zeros(2, 2), torch.tensor([0.6, 0.8])
    x2, same = (size * direction).expand(2, 2), torch.tensor([1.0, 0.0])

    def loss(x1):
        return contrastive_loss(
            x1, x2, same, margin=2 * size, reduction="none"
        )

    expected = torch.stack([-direction, direction])
    torch.testing.assert_close(slope(loss, x1) / size, expected)
    torch.testing.assert_close(
        loss(x1), torch.full((2,), size**2 / 2), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("size", SIZES)
def test_a_huge_or_tiny_pair_does_not_spoil_the_batch(size, device):
    x1, x2 = size * torch.ones(2, 4, 3)
    x2[2:] *= -1
    same = torch.tensor([True, False, True, False])
    each = contrastive_loss(x1, x2, same, reduction="none")
    assert not each.isnan().any()
    assert slope(lambda x: contrastive_loss(x, x2, same), x1).isfinite().all()
    plain = triplet_loss(x1, x2, x1, squared=False, reduction="none")
    assert plain.isfinite().all()


@pytest.mark.parametrize("squared", [True, False])
def test_three_coincident_points_cost_the_margin_and_stay(squared, device):
    x = torch.randn(1, 3).expand(4, 3)
    assert triplet_loss(x, x, x, margin=0.7).item() == pytest.approx(0.7)
    for place in range(3):

        def loss(moved, place=place):
            points = [x, x, x]
            points[place] = moved
            return triplet_loss(*points, squared=squared)

        assert (slope(loss, x) == 0).all()


def test_far_from_the_origin_and_far_apart_no_digits_are_lost(device):
    """Squares of 1e8 that differ by 2: float32 knows seven digits."""
    a = torch.tensor([[1e4, 0.0]])
    p, n = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    loss = triplet_loss(a, p, n, margin=3.0)
    assert loss.item() == pytest.approx(2.0)
    naive = (a - p).square().sum() - (a - n).square().sum() + 3.0
    assert naive != 2


@pytest.mark.parametrize("size", SIZES)
def test_cosines_do_not_see_the_size(size, device):
    query, positive = torch.randn(2, 6, 3, dtype=torch.float64)
    expected = info_nce_loss(query, positive, temperature=0.5)
    small = (size * query).float(), (positive / size).float()
    torch.testing.assert_close(
        info_nce_loss(*small, temperature=0.5).double(),
        expected,
        rtol=1e-5,
        atol=1e-6,
    )
    pull = slope(lambda q: info_nce_loss(q, small[1]), small[0])
    assert pull.isfinite().all()


def test_a_zero_query_can_move(device):
    query = torch.zeros(2, 3)
    positive = torch.eye(3)[:2]
    value = info_nce_loss(query, positive, reduction="none")
    torch.testing.assert_close(value, torch.full((2,), math.log(2)))
    pull = slope(lambda q: info_nce_loss(q, positive), query)
    assert pull.isfinite().all() and pull[0, 0] < 0 < pull[0, 1]


@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 0.07])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_sharp_temperature_costs_the_gap_over_tau(
    temperature, dtype, device
):
    """The wrong row fits better by 2: 2 / τ, in float16 up to its end."""
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=dtype)
    positive = torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=dtype)
    each = info_nce_loss(
        query, positive, temperature=temperature, reduction="none"
    )
    expected = torch.tensor(2 / temperature, dtype=dtype)
    torch.testing.assert_close(each[0].cpu(), expected.cpu())


def test_a_good_fit_costs_what_is_left_and_not_its_rounding(device):
    """Three others, farther by 2 / τ = 40: the loss is 3 e⁻⁴⁰ → 0, not < 0."""
    query = torch.tensor([[0.6, 0.8]])
    loss = info_nce_loss(query, query, -query.expand(3, 2), temperature=0.05)
    assert 0 <= loss < 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_embeddings_are_rows(loss, device):
    name = "x1" if loss is contrastive_loss else (
        "anchor" if loss is triplet_loss else "query"
    )  # fmt: skip
    tensors = 3 if loss is triplet_loss else 2
    rest = [torch.ones(3)] if loss is contrastive_loss else []
    for shape in ((3,), (2, 3, 4)):
        with pytest.raises(
            ValueError,
            match=rf"^{name}: expected one embedding a row, \(N, D\), "
            rf"got \({', '.join(map(str, shape))},?\)$",
        ):
            loss(*[torch.ones(shape)] * tensors, *rest)


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_are_never_broadcast(loss, device):
    rows = [torch.ones(4, 3), torch.ones(1, 3)]
    rest = {contrastive_loss: [torch.ones(4)], triplet_loss: [rows[0]]}
    with pytest.raises(
        ValueError,
        match=r"^\w+: expected the shape of \w+, \(4, 3\), got \(1, 3\)$",
    ):
        loss(*rows, *rest.get(loss, []))


@pytest.mark.parametrize("shape", [(4, 1), (4, 4), (3,), ()])
def test_labels_are_one_for_each_pair(shape, device):
    x = torch.ones(4, 3)
    got = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    with pytest.raises(
        ValueError,
        match=r"^same: expected a label for each row of \(4, 3\), \(4,\), "
        rf"got \({got}\)$",
    ):
        contrastive_loss(x, x, torch.ones(shape))


def test_labels_are_booleans_or_real_numbers(device):
    x = torch.ones(4, 3)
    with pytest.raises(
        TypeError, match=r"^same: expected a tensor, got list$"
    ):
        contrastive_loss(x, x, [1, 0, 1, 0])
    with pytest.raises(
        TypeError,
        match=r"^same: expected booleans or real numbers, got torch.c",
    ):
        contrastive_loss(x, x, torch.ones(4, dtype=torch.complex64))


@pytest.mark.parametrize("shape", [(4, 2), (3,), (4, 2, 3)])
def test_negatives_are_rows_of_the_same_length(shape, device):
    x = torch.ones(4, 3)
    got = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    with pytest.raises(
        ValueError,
        match=r"^negatives: expected rows like those of query, \(M, 3\), "
        rf"got \({got}\)$",
    ):
        info_nce_loss(x, x, torch.ones(shape))


def test_negatives_are_floating_point_and_on_one_device(device):
    x = torch.ones(4, 3)
    for y in (x, x.clone().requires_grad_()):
        with pytest.raises(
            ValueError,
            match=r"^negatives: expected None where symmetric, got \(4, 3\)$",
        ):
            info_nce_loss(y, x, x, symmetric=True)
    with pytest.raises(TypeError, match=r"^negatives: expected a floating-"):
        info_nce_loss(x, x, torch.ones(4, 3, dtype=torch.long))
    with pytest.raises(ValueError, match=r"^negatives: expected the device"):
        info_nce_loss(x, x, x.to("meta"))


@pytest.mark.parametrize("loss", LOSSES)
def test_shapes_can_be_tried_without_numbers(loss):
    """The meta device holds shapes only, and knows no autocast."""
    rows = [torch.ones(4, 3, device="meta") for _ in range(3)]
    if loss is contrastive_loss:
        rows[2] = rows[2][:, 0]
    assert loss(*rows).shape == ()
    assert loss(*rows, reduction="none").shape == (4,)


@pytest.mark.parametrize("loss", [contrastive_loss, triplet_loss])
@pytest.mark.parametrize("margin", [-1.0, math.inf, math.nan])
def test_a_margin_is_a_finite_number_of_at_least_zero(loss, margin, device):
    x = torch.ones(4, 3)
    last = torch.ones(4) if loss is contrastive_loss else x
    with pytest.raises(
        ValueError, match=r"^margin: expected a finite number of at least 0"
    ):
        loss(x, x, last, margin=margin)


@pytest.mark.parametrize("temperature", [0, -1.0, math.inf, math.nan])
def test_a_temperature_is_positive_and_finite(temperature, device):
    x = torch.ones(4, 3)
    with pytest.raises(
        ValueError, match=r"^temperature: expected a positive finite number"
    ):
        info_nce_loss(x, x, temperature=temperature)

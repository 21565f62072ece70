"""InfoNCE by blocks: the formula's value and slopes, and no large tensor."""

import math
from functools import partial

import pytest
import torch

from handbook_code import (
    _fused,
    formulas_only,
    info_nce_loss,
    triplet_loss,
)
from handbook_code.bench.meter import peak
from handbook_code.metric import _line_up

BLOCKS = {"one block": (1 << 16, 1 << 10), "rows": (11, 64), "tiles": (35, 7)}


@pytest.fixture(params=BLOCKS, autouse=True)
def blocks(request, monkeypatch):
    elements, columns = BLOCKS[request.param]
    monkeypatch.setattr(_fused, "BLOCK", elements)
    monkeypatch.setattr(_line_up, "TILE", columns)
    monkeypatch.setattr(info_nce_loss, "least", 0)


def with_slopes(loss, tensors):
    tensors = [t.detach().requires_grad_() for t in tensors]
    value = loss(*tensors)
    return value.detach(), *torch.autograd.grad(value, tensors)


def both_roads(tensors, **options):
    loss = partial(info_nce_loss, **options)
    return with_slopes(loss, tensors), with_slopes(
        formulas_only()(loss), tensors
    )


def same(tensors, tolerance=None, **options):
    given = {} if tolerance is None else dict(rtol=tolerance, atol=tolerance)
    actual, expected = both_roads(tensors, **options)
    torch.testing.assert_close(actual, expected, **given)


@pytest.mark.parametrize("margin", [0.0, 0.7, 5.0])
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_triplets_are_the_formula(
    rows, margin, squared, reduction, monkeypatch
):
    monkeypatch.setattr(triplet_loss, "least", 0)
    a, p, n = (x.clone() for x in rows)
    a[3] = p[3]
    a[5] = n[5]
    a[7] = p[7] = n[7]
    p[9] = n[9]
    pull = torch.rand(40).double()

    def loss(*tensors):
        value = triplet_loss(
            *tensors, margin=margin, squared=squared, reduction=reduction
        )
        return (pull * value).sum() if reduction == "none" else value

    for tensors in ([a, p, n], [a.T.contiguous().T, p, n]):
        actual = with_slopes(loss, tensors)
        with formulas_only():
            expected = with_slopes(loss, tensors)
        torch.testing.assert_close(actual, expected)
    actual = with_slopes(lambda q: loss(a, q, n), [p])
    with formulas_only():
        expected = with_slopes(lambda q: loss(a, q, n), [p])
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("others", [None, 1, 23])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("temperature", [0.01, 0.5, 3.0])
def test_it_is_the_formula(rows, others, normalize, reduction, temperature):
    tensors = list(rows[:2]) if others is None else [*rows]
    tensors[2:] = [n[:others] for n in tensors[2:]]
    options = {"normalize": normalize, "reduction": reduction}
    same(tensors, temperature=temperature, **options)
    single = [(3 * x).float() for x in tensors]
    same(single, 1e-4, temperature=max(temperature, 0.5), **options)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("temperature", [1e-3, 0.01, 0.5, 3.0])
def test_both_directions_are_the_formula(
    rows, normalize, reduction, temperature
):
    options = {
        "symmetric": True, "normalize": normalize, "reduction": reduction,
    }  # fmt: skip
    q, p = (x.clone() for x in rows[:2])
    same([q, p], temperature=temperature, **options)
    if temperature >= 0.5:
        single = [(3 * x).float() for x in (q, p)]
        same(single, 1e-4, temperature=temperature, **options)
    for few in (1, 2):
        same([q[:few], p[:few]], temperature=temperature, **options)
    q[3] = p[5] = q[7] = p[7] = 0
    q[9] = p[9] = p[11]
    same([q, p], temperature=temperature, **options)


@pytest.mark.parametrize("moved", [0, 1])
def test_both_directions_with_one_tower_at_rest(rows, moved):
    towers = [rows[0], rows[1]]

    def loss(x):
        towers[moved] = x
        return info_nce_loss(*towers, symmetric=True)

    actual = with_slopes(loss, [rows[moved]])
    with formulas_only():
        torch.testing.assert_close(actual, with_slopes(loss, [rows[moved]]))
    with torch.no_grad():
        torch.testing.assert_close(loss(rows[moved]), actual[0])


def test_both_directions_keep_the_digits_of_a_small_loss():
    """Each row and column has three others, farther by 1 / τ = 40."""
    x = torch.eye(4, requires_grad=True)
    loss = info_nce_loss(x, x.detach(), temperature=1 / 40, symmetric=True)
    assert loss.item() == pytest.approx(3 * math.exp(-40), rel=1e-4)
    x = torch.randn(5, 3)
    x[2] = math.nan
    assert info_nce_loss(x, torch.randn(5, 3), symmetric=True).isnan()


@pytest.mark.parametrize("moved", ["query", "positive", "negatives"])
def test_a_slope_is_that_in_what_needs_one(rows, moved):
    named = dict(zip(("query", "positive", "negatives"), rows, strict=True))

    def loss(x):
        return info_nce_loss(**named | {moved: x})

    actual = with_slopes(loss, [named[moved]])
    with formulas_only():
        torch.testing.assert_close(actual, with_slopes(loss, [named[moved]]))


def test_queries_may_be_the_candidates_too(rows):
    same_x = rows[0].clone().requires_grad_()
    (actual,) = torch.autograd.grad(info_nce_loss(same_x, same_x), same_x)
    with formulas_only():
        (right,) = torch.autograd.grad(info_nce_loss(same_x, same_x), same_x)
    torch.testing.assert_close(actual, right)


def test_rows_of_another_layout_are_left_as_they_are(rows):
    turned = [x.T.contiguous().T for x in rows]
    before = [x.clone() for x in turned]
    same(turned)
    assert all(map(torch.equal, turned, before))


@pytest.mark.parametrize("normalize", [True, False])
def test_zero_rows_and_copies(rows, normalize):
    q, p, n = (x.clone() for x in rows)
    q[3] = p[5] = p[7] = n[2] = 0
    q[7] = 0
    q[9] = p[9] = n[9]
    same([q, p], normalize=normalize)
    same([q, p, n], normalize=normalize)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_rows_of_any_size(rows, size):
    q, p, n = rows.float()
    (value, *slopes), (right, *expected) = both_roads(
        [size * q, p / size, n], temperature=0.5
    )
    torch.testing.assert_close(value, right)
    for slope, other, scale in zip(
        slopes, expected, (size, 1 / size, 1), strict=True
    ):
        torch.testing.assert_close(
            slope * scale, other * scale, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("temperature", [1e-6, 1e-3])
def test_a_sharp_temperature(rows, temperature):
    q, p, n = rows
    same([q, p], temperature=temperature)
    same([q, p, n], temperature=temperature)
    same([1e3 * q, p], normalize=False)


def test_nothing_to_choose_from(rows):
    for normalize in (True, False):
        same([-9 * rows[0, :1], rows[0, :1]], normalize=normalize)


def test_nan_and_infinity_do_not_go_unseen(rows):
    for place in range(3):
        tensors = list(rows.clone())
        tensors[place][4, 0] = math.nan
        assert info_nce_loss(*tensors).isnan()
        assert with_slopes(info_nce_loss, tensors)[1 + place][4].isnan().all()
    q = torch.tensor([[1e30], [1.0]])
    far = info_nce_loss(q, q * torch.tensor([[-1e30], [1]]), normalize=False)
    assert far == math.inf


def test_a_small_loss_keeps_its_digits():
    """Three others, farther by 2 / τ = 40: the loss is 3 e⁻⁴⁰."""
    query = torch.tensor([[0.6, 0.8]], requires_grad=True)
    loss = info_nce_loss(
        query, query.detach(), -query.detach().expand(3, 2), temperature=0.05
    )
    assert loss.item() == pytest.approx(3 * math.exp(-40), rel=1e-4)
    assert (
        with_slopes(
            lambda q: info_nce_loss(q, query, -query.expand(3, 2)), [query]
        )[1]
        .isfinite()
        .all()
    )


def test_one_value_for_each_query_is_left_to_the_formula(rows):
    q = rows[0].clone().requires_grad_()
    loss = info_nce_loss(q, rows[1], reduction="none")
    pull = torch.rand(40).double()
    (slope,) = torch.autograd.grad(loss, q, pull)
    weighted = info_nce_loss(q, rows[1], reduction="none") * pull
    torch.testing.assert_close(
        slope, torch.autograd.grad(weighted.sum(), q)[0]
    )


def test_mistakes_are_told_as_by_the_formula(rows):
    q, p, n = (x.clone().requires_grad_() for x in rows)
    for arguments, options in [
        ((q, p[1:]), {}),
        ((q[0], p[0]), {}),
        ((q, p, n[:, 1:]), {}),
        ((q, p, n.long()), {}),
        ((q, p), {"temperature": 0.0}),
        ((q, p), {"reduction": "avg"}),
    ]:
        with pytest.raises((TypeError, ValueError)) as told:
            info_nce_loss(*arguments, **options)
        with formulas_only(), pytest.raises(told.type) as right:
            info_nce_loss(*arguments, **options)
        assert str(told.value) == str(right.value)


def test_autocast_rounds_nothing(rows):
    q, p, n = rows.float()
    right = with_slopes(info_nce_loss, [q, p, n])
    with torch.autocast("cpu", torch.bfloat16):
        actual = with_slopes(info_nce_loss, [q, p, n])
    torch.testing.assert_close(actual, right)


@pytest.mark.parametrize("others", [None, 3000])
def test_no_tensor_is_larger_than_the_embeddings(largest, monkeypatch, others):
    monkeypatch.setattr(_fused, "BLOCK", 1 << 14)
    monkeypatch.setattr(_line_up, "TILE", 1 << 10)
    threads = torch.get_num_threads()
    q = torch.randn(2000, 16, requires_grad=True)
    p = torch.randn(2000, 16, requires_grad=True)
    n = others and torch.randn(others, 16, requires_grad=True)
    with largest() as made:
        info_nce_loss(q, p, n).backward()
    assert made.elements <= max(48000, 16 * threads * (others or 2000))
    with largest() as made, formulas_only():
        info_nce_loss(q, p, n).backward()
    assert made.elements >= 2000 * (others or 2000)


def test_both_directions_hold_what_the_embeddings_do(monkeypatch):
    """Twice the rows, twice the memory: logits are kept up to that size."""
    monkeypatch.setattr(_fused, "BLOCK", 1 << 12)
    monkeypatch.setattr(_line_up, "TILE", 1 << 10)
    tops = []
    for count in (1000, 2000, 4000):
        x, y = torch.randn(2, count, 16).unbind()
        x.requires_grad_(), y.requires_grad_()
        loss = partial(info_nce_loss, symmetric=True)
        tops.append(peak(loss, [x, y]) / (4 * x.numel()))
    assert max(tops) < 1.1 * min(tops)

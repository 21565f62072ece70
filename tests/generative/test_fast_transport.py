"""Entropic transport by blocks: the formula's results, in O(N) memory."""

import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from handbook_code import (
    _fused,
    entropic_transport,
    formulas_only,
    sinkhorn_divergence,
)
from handbook_code.bench.meter import Largest
from handbook_code.generative import _fast_transport as fast

every_loss = pytest.mark.parametrize(
    "loss", [entropic_transport, sinkhorn_divergence]
)


@pytest.fixture(params=[1 << 16, 7], autouse=True)
def blocks(request, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", request.param)


@pytest.fixture
def careful(monkeypatch):
    """The rounds that are done the slow way."""
    solved = []
    right = fast._carefully
    monkeypatch.setattr(
        fast, "_carefully", lambda *a: solved.append(1) or right(*a)
    )
    return solved


def with_slopes(loss, *tensors):
    names = ("x", "y", "a", "b")[: len(tensors)]
    tensors = [t.detach().requires_grad_() for t in tensors]
    value = loss(**dict(zip(names, tensors, strict=True)))
    return value.detach(), *torch.autograd.grad(value, tensors)


def same(loss, *tensors, **tolerance):
    actual = with_slopes(loss, *tensors)
    with formulas_only():
        expected = with_slopes(loss, *tensors)
    assert_close(actual, expected, **tolerance)


@every_loss
@pytest.mark.parametrize("iterations", [1, 2, 9, 40])
@pytest.mark.parametrize("epsilon", [0.03, 1.0, 100.0])
def test_it_is_the_formula_round_by_round(loss, epsilon, iterations, clouds):
    loss = partial(loss, epsilon=epsilon, iterations=iterations)
    x, y, a, b = clouds
    same(loss, x, y, 3 * a, b / 7)
    same(loss, y, x)
    same(loss, x, x[:, [1, 0]])
    turned = x.T.contiguous().T, y.T.contiguous().T
    before = [t.clone() for t in turned]
    same(loss, *turned)
    assert all(map(torch.equal, turned, before))
    same(loss, x.float(), y.float(), rtol=1e-3, atol=1e-4)


@every_loss
@pytest.mark.parametrize("iterations", [1, 2, 50])
def test_where_an_exponential_would_not_fit_there_is_another_way(
    loss, iterations, clouds, careful
):
    x, y, a, b = clouds
    loss = partial(loss, epsilon=1e-4, iterations=iterations)
    same(loss, x, y, a, b, rtol=1e-5, atol=1e-6)
    assert bool(careful) == (iterations < 50)


@every_loss
@pytest.mark.parametrize("iterations", [1, 2, 9])
def test_a_careful_round_is_a_round(loss, iterations, clouds, monkeypatch):
    """Every round so, also with points of no weight."""
    monkeypatch.setattr(fast, "_sound", lambda *sums: False)
    x, y, a, b = (c.clone() for c in clouds)
    loss = partial(loss, epsilon=0.1, iterations=iterations)
    same(loss, x, y, a, b)
    a[2:5] = 0
    b[0] = 0
    same(loss, x, y, a, b)


def test_only_the_rounds_that_need_it_are_careful(clouds, careful):
    x, y, a, b = clouds
    entropic_transport(x, y, a=a, b=b, epsilon=1e-4, iterations=9)
    assert 0 < len(careful) < 9


@every_loss
def test_as_a_rule_one_exponential_serves_both(loss, clouds, careful):
    """Down to a ten-thousandth of the spread, far from the origin too."""
    x, y, a, b = clouds
    spread = torch.cdist(x, y).square().max().item()
    for shift in (0, 1e4):
        for share in (1, 1e-2, 1e-4):
            loss(x, y + shift, a=a, b=b, epsilon=share * spread)
    single = (c.float() for c in (x, y))
    loss(*single, epsilon=1e-3 * spread)
    assert not careful


@every_loss
def test_points_of_no_weight_and_coincident_ones(loss, clouds):
    x, y, a, b = (c.clone() for c in clouds)
    a[2:5] = 0
    b[0] = 0
    y[3] = y[4] = x[5]
    same(partial(loss, epsilon=0.05), x, y, a, b)


@every_loss
def test_a_slope_is_that_in_what_needs_one(loss, clouds):
    for k, name in enumerate(("x", "y", "a", "b")):
        slopes = []
        for road in (lambda f: f, formulas_only()):
            named = dict(zip(("x", "y", "a", "b"), clouds, strict=True))
            named[name] = moved = clouds[k].clone().requires_grad_()
            value = road(loss)(**named, epsilon=0.1)
            slopes += torch.autograd.grad(value, moved)
        assert_close(*slopes)


def test_two_equal_clouds_cost_exactly_nothing(clouds):
    x = clouds[0].clone().requires_grad_()
    assert sinkhorn_divergence(x, x.detach().clone(), epsilon=0.1) == 0


@every_loss
def test_nan_does_not_go_unseen(loss, clouds):
    for k in range(4):
        tensors = [c.clone() for c in clouds]
        tensors[k].view(-1)[0] = math.nan
        value = with_slopes(partial(loss, epsilon=0.1), *tensors)[0]
        assert value.isnan()


def test_a_cost_is_left_to_the_formula(clouds):
    x, y, *_ = clouds
    cost = torch.cdist(x, y).requires_grad_()
    loss = partial(entropic_transport, x, y, cost=cost, epsilon=0.1)
    (slope,) = torch.autograd.grad(loss(), cost)
    with formulas_only():
        assert_close(slope, torch.autograd.grad(loss(), cost)[0])


@every_loss
def test_mistakes_are_told_as_by_the_formula(loss, clouds):
    x, y, _, b = clouds
    x = x.clone().requires_grad_()
    for arguments, options in [
        ((x[0], y), {}),
        ((x, y[:, :1]), {}),
        ((x, y), {"epsilon": 0.0}),
        ((x, y), {"iterations": 0}),
        ((x, y), {"a": b}),
        ((x, y), {"b": b.long()}),
    ]:
        options = {"epsilon": 0.1} | options
        with pytest.raises((TypeError, ValueError)) as told:
            loss(*arguments, **options)
        with formulas_only(), pytest.raises(told.type) as right:
            loss(*arguments, **options)
        assert str(told.value) == str(right.value)


@every_loss
def test_memory_grows_as_the_points_do(loss, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", 1 << 8)
    x = torch.randn(2000, 3, requires_grad=True)
    with Largest() as made:
        loss(x, torch.randn(1500, 3), epsilon=0.1, iterations=2).backward()
    assert made.elements <= 5 * 3500

"""Losses of a residual by their pass: ties, extremes, axes, precision."""

from functools import partial

import pytest
import torch

from handbook_code import (
    _fused,
    formulas_only,
    huber_loss,
    log_cosh_loss,
    mae_loss,
    mse_loss,
    quantile_loss,
)

SEVERAL = partial(quantile_loss, quantile=[0.1, 0.5, 0.999])
LOSSES = [
    mae_loss,
    mse_loss,
    partial(huber_loss, delta=0.3),
    partial(log_cosh_loss, delta=0.3),
    partial(quantile_loss, quantile=0.999),
    SEVERAL,
]
every_loss = pytest.mark.parametrize(
    "loss", LOSSES, ids=["mae", "mse", "huber", "log cosh", "one", "several"]
)


def both_roads(loss, x, y, **options):
    """Value and slope by the pass, however few elements, and the formula."""
    function = getattr(loss, "func", loss)
    keywords = getattr(loss, "keywords", {}) | options
    by_pass, slopes = function.one_pass(x, y, **keywords, wanted=(True,))
    x = x.detach().requires_grad_()
    with formulas_only():
        value = loss(x, y, **options)
    (right,) = torch.autograd.grad(value.sum(), x)
    return (by_pass, slopes[0].to(x.dtype)), (value.detach(), right)


def pair(residuals, loss, dtype):
    r = torch.tensor(residuals, dtype=dtype)
    y = torch.linspace(-1, 1, len(r), dtype=dtype)
    x = y + r
    return (torch.stack([x, y, x], -1), y) if loss is SEVERAL else (x, y)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_at_every_bend_the_slope_is_that_of_the_formula(loss, dtype):
    """At 0, at ±δ, far where cosh overflows, and where it is r² / 2."""
    r = [0.0, 0.3, -0.3, 1e-6, -1e-3, 0.1, -7.0, 60.0, -1e4, 1e30]
    x, y = pair(r, loss, dtype)
    y.zero_()
    if loss is not SEVERAL:
        x = torch.tensor(r, dtype=dtype)
    actual, expected = both_roads(loss, x, y, reduction="none")
    torch.testing.assert_close(actual, expected, atol=0, rtol=2e-6)


@every_loss
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_blocks_are_one_batch(loss, reduction, generator, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", 7)
    y = torch.randn(5, 6, generator=generator).double()
    shape = (5, 6, 3) if loss is SEVERAL else (5, 6)
    x = torch.randn(shape, generator=generator).double()
    for a, b in ((x, y), (x.transpose(0, 1), y.mT), (x[:1], y[:1])):
        actual, expected = both_roads(loss, a, b, reduction=reduction)
        torch.testing.assert_close(actual, expected)


@every_loss
def test_nan_and_infinity_are_not_hidden(loss):
    x, y = pair([1.0, torch.nan, torch.inf, -2.0], loss, torch.float32)
    (value, slope), expected = both_roads(loss, x, y, reduction="none")
    torch.testing.assert_close(value, expected[0], equal_nan=True)
    fine = torch.tensor([0, 3])
    torch.testing.assert_close(slope[fine], expected[1][fine])


@every_loss
def test_an_empty_batch_is_zero(loss):
    x = torch.zeros((0, 3) if loss is SEVERAL else 0, requires_grad=True)
    value = loss(x, torch.zeros(0))
    value.backward()
    assert value == 0 and x.grad.shape == x.shape
    assert loss(x, torch.zeros(0), reduction="none").shape == x.shape


def test_a_large_batch_takes_the_pass(monkeypatch):
    taken = []
    road = _fused._OnePass.apply
    monkeypatch.setattr(
        _fused._OnePass, "apply", lambda *a: taken.append(1) or road(*a)
    )
    x = torch.zeros(1 << 21, requires_grad=True)
    for loss in LOSSES[:-1]:
        loss(x, torch.ones(1 << 21)).backward()
    assert len(taken) == 5

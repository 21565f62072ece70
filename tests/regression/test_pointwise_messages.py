"""Losses of one residual: several quantiles, and every message."""

import math

import pytest
import torch

from handbook_code import (
    huber_loss,
    log_cosh_loss,
    quantile_loss,
    rmse_loss,
    rmsle_loss,
)
from handbook_code.catalogue import CATALOGUE

every_loss = pytest.mark.parametrize(
    "loss",
    [
        loss.function
        for loss in CATALOGUE
        if loss.chapter == "regression/pointwise"
    ],
)


@pytest.mark.parametrize("shape", [(), (5,), (5, 4)])
@pytest.mark.parametrize("kind", [list, tuple])
def test_several_quantiles_are_as_many_losses(shape, kind, generator):
    taus = kind([0.05, 0.5, 0.95])
    x = torch.randn(*shape, 3, generator=generator)
    y = torch.randn(shape, generator=generator)
    each = quantile_loss(x, y, quantile=taus, reduction="none")
    assert each.shape == (*shape, 3)
    expected = [
        quantile_loss(x[..., k], y, quantile=tau, reduction="none")
        for k, tau in enumerate(taus)
    ]
    torch.testing.assert_close(each, torch.stack(expected, dim=-1))
    torch.testing.assert_close(quantile_loss(x, y, quantile=taus), each.mean())


@pytest.mark.parametrize(
    ("input", "target"), [((5,), (5,)), ((5, 2), (5,)), ((3, 5), (5,))]
)
def test_several_quantiles_need_an_axis_of_their_own(input, target, device):
    with pytest.raises(
        ValueError,
        match=r"^input: expected one entry per quantile, \(5, 3\), got \(",
    ):
        quantile_loss(
            torch.zeros(input), torch.zeros(target), quantile=[0.1, 0.5, 0.9]
        )


@every_loss
def test_shapes_are_never_broadcast(loss, device):
    """Where torch would make the 64 × 64 matrix of all pairs."""
    column, row = torch.ones(64, 1), torch.ones(64)
    with pytest.raises(
        ValueError,
        match=r"^target: expected the shape of input, \(64, 1\), got \(64,\)$",
    ):
        loss(column, row)
    with pytest.raises(ValueError, match=r"^target: expected the shape of"):
        loss(row, torch.ones(()))


@every_loss
def test_only_floating_point_tensors_are_taken(loss, device):
    ones = torch.ones(3)
    with pytest.raises(
        TypeError,
        match=r"^target: expected a floating-point tensor, got torch.int64$",
    ):
        loss(ones, ones.long())
    with pytest.raises(
        TypeError, match=r"^target: expected a tensor, got float$"
    ):
        loss(ones, 1.0)


@pytest.mark.parametrize("loss", [huber_loss, log_cosh_loss])
@pytest.mark.parametrize("delta", [0, -1, math.nan, math.inf])
def test_delta_must_be_positive_and_finite(loss, delta, device):
    message = rf"^delta: expected a positive finite number, got {delta}$"
    with pytest.raises(ValueError, match=message):
        loss(torch.ones(3), torch.ones(3), delta=delta)


@pytest.mark.parametrize("loss", [huber_loss, log_cosh_loss])
def test_delta_must_be_a_number(loss, device):
    message = r"^delta: expected a positive finite number, got Tensor$"
    with pytest.raises(TypeError, match=message):
        loss(torch.ones(3), torch.ones(3), delta=torch.ones(3))


@pytest.mark.parametrize("tau", [0, 1, -0.1, 90, math.nan])
def test_a_quantile_lies_between_0_and_1(tau, device):
    message = rf"^quantile: expected a number between 0 and 1, got {tau}$"
    with pytest.raises(ValueError, match=message):
        quantile_loss(torch.ones(3), torch.ones(3), quantile=tau)
    with pytest.raises(ValueError, match=message):
        quantile_loss(torch.ones(3, 2), torch.ones(3), quantile=[0.5, tau])


def test_no_quantiles_are_refused(device):
    message = "^quantile: expected at least one, got none$"
    with pytest.raises(ValueError, match=message):
        quantile_loss(torch.ones(3, 0), torch.ones(3), quantile=[])


@pytest.mark.parametrize("tau", ["0.5", None, torch.tensor(0.5)])
def test_a_quantile_is_a_number(tau, device):
    with pytest.raises(
        TypeError, match=r"^quantile: expected a number between 0 and 1, got "
    ):
        quantile_loss(torch.ones(3), torch.ones(3), quantile=tau)


def test_a_root_of_a_batch_takes_no_reduction(device):
    for loss in (rmse_loss, rmsle_loss):
        with pytest.raises(TypeError, match="reduction"):
            loss(torch.ones(3), torch.ones(3), reduction="none")

"""Losses of a margin by their pass: at corners, and far beyond them."""

from functools import partial

import pytest
import torch

from handbook_code import (
    exponential_loss,
    formulas_only,
    hinge_loss,
    ramp_loss,
    smoothed_hinge_loss,
    squared_hinge_loss,
)


@pytest.mark.parametrize(
    "loss",
    [
        hinge_loss,
        squared_hinge_loss,
        smoothed_hinge_loss,
        partial(smoothed_hinge_loss, gamma=0.5),
        ramp_loss,
        partial(ramp_loss, s=0.5),
        exponential_loss,
    ],
)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_at_every_corner_the_pass_is_the_formula(loss, reduction):
    """At margins of 1, 1 − γ and s, at 0, far away; of both labels."""
    z = torch.tensor([1, 0.5, 0, -1, 2, -50, 60, 0.7, -0.3, -1e6]).double()
    y = torch.tensor([1.0, -1.0]).double()[:, None].expand(2, len(z))
    x = (z * y).requires_grad_()
    function = getattr(loss, "func", loss)
    keywords = getattr(loss, "keywords", {}) | {"reduction": reduction}
    with torch.no_grad():
        value, slopes = function.one_pass(x, y, **keywords, wanted=(True,))
    with formulas_only():
        right = loss(x, y, reduction=reduction)
    finite = right.sum().isfinite()
    torch.testing.assert_close(value, right.detach())
    (slope,) = torch.autograd.grad(right.sum(), x)
    torch.testing.assert_close(slopes[0], slope, equal_nan=bool(~finite))

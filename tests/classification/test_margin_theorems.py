"""Losses of one margin: the theorems they rest on."""

import math
from functools import partial

import pytest
import torch

from handbook_code import (
    exponential_loss,
    hinge_loss,
    ramp_loss,
    smoothed_hinge_loss,
    squared_hinge_loss,
)
from handbook_code.catalogue import CATALOGUE

LOSSES = [
    loss.function
    for loss in CATALOGUE
    if loss.chapter == "classification/margin"
]

every_loss = pytest.mark.parametrize("loss", LOSSES)
every_gamma = pytest.mark.parametrize("gamma", [0.25, 1.0, 2.0])
every_s = pytest.mark.parametrize("s", [-2.0, -1.0, 0.0, 0.5])


def slope(loss, input, target):
    input = input.detach().requires_grad_()
    return torch.autograd.grad(loss(input, target).sum(), input)[0]


def of_margin(loss, z):
    return loss(z, torch.ones_like(z), reduction="none")


def best_score(loss, p):
    """Of equally good scores for P(y = 1) = p the one closest to zero."""
    z = torch.linspace(-3, 3, 2401, dtype=torch.float64)
    z = z[z.abs().argsort(stable=True)]
    risk = p * of_margin(loss, z) + (1 - p) * of_margin(loss, -z)
    return z[risk.argmin()].item()


@every_loss
def test_only_the_product_of_score_and_label_counts(loss, pair):
    x, y = pair
    torch.testing.assert_close(loss(x, y), loss(-x, -y))
    torch.testing.assert_close(loss(x, y), loss(x * y, torch.ones_like(y)))


@every_loss
def test_a_larger_margin_never_costs_more(loss, device):
    z = torch.linspace(-5, 5, 501, dtype=torch.float64)
    assert (of_margin(loss, z).diff() <= 0).all()


@every_loss
def test_labels_zero_and_one_leave_the_negatives_without_a_gradient(
    loss, pair
):
    x, y = pair
    pull = slope(loss, x, (y + 1) / 2)
    assert (pull[y < 0] == 0).all() and (pull[y > 0] != 0).any()


def test_all_but_the_smoothed_hinge_lie_above_the_share_of_errors(device):
    z = torch.linspace(-5, 5, 501, dtype=torch.float64)
    error = (z <= 0).double()
    for loss in (hinge_loss, squared_hinge_loss, exponential_loss, ramp_loss):
        assert (of_margin(loss, z) >= error).all()


@every_gamma
def test_the_smoothed_hinge_lies_below_the_hinge_by_at_most_half_gamma(
    gamma, pair
):
    gap = hinge_loss(*pair, reduction="none") - smoothed_hinge_loss(
        *pair, gamma=gamma, reduction="none"
    )
    assert gap.min() >= 0
    assert gap.max().item() == pytest.approx(gamma / 2)


def test_the_smoothed_hinge_becomes_the_hinge(pair):
    hinge = hinge_loss(*pair, reduction="none")
    for gamma in (1e-2, 1e-4, 1e-8):
        torch.testing.assert_close(
            smoothed_hinge_loss(*pair, gamma=gamma, reduction="none"),
            hinge,
            atol=gamma / 2 + 1e-12,
            rtol=0,
        )


def test_a_wide_smoothed_hinge_is_a_squared_one(pair):
    gamma = 1e3
    torch.testing.assert_close(
        2 * gamma * smoothed_hinge_loss(*pair, gamma=gamma),
        squared_hinge_loss(*pair),
    )


@every_gamma
def test_the_slope_of_the_smoothed_hinge_is_continuous(gamma, device):
    for corner in (1 - gamma, 1.0):
        z = torch.tensor([corner - 1e-7, corner + 1e-7]).double()
        loss = partial(smoothed_hinge_loss, gamma=gamma, reduction="sum")
        before, after = slope(loss, z, torch.ones_like(z))
        assert abs(before - after) < 1e-6 / gamma


@pytest.mark.parametrize(
    "loss",
    [hinge_loss, squared_hinge_loss, smoothed_hinge_loss, ramp_loss],
)
def test_who_reaches_the_margin_exactly_is_settled(loss, device):
    z = torch.tensor([1.0, 2.0])
    assert of_margin(loss, z).tolist() == [0, 0]
    assert slope(loss, z, torch.ones(2)).tolist() == [0, 0]


@every_s
def test_the_ramp_is_a_hinge_minus_a_hinge_at_s(s, pair):
    x, y = pair
    later = (s - x * y).relu()
    torch.testing.assert_close(
        ramp_loss(x, y, s=s, reduction="none"),
        hinge_loss(x, y, reduction="none") - later,
    )


@every_s
def test_the_ramp_gives_up_below_s_and_is_content_from_one_on(s, pair):
    x, y = pair
    pull = slope(partial(ramp_loss, s=s, reduction="sum"), x, y) * y
    between = (x * y > s) & (x * y < 1)
    assert torch.equal(pull, -between.double())


def test_a_label_and_its_opposite_cost_two_under_the_ramp(pair):
    """So labels flipped at random only scale the expected loss."""
    x, y = pair
    both = ramp_loss(x, y, reduction="none") + ramp_loss(
        x, -y, reduction="none"
    )
    torch.testing.assert_close(both, torch.full_like(x, 2))


@every_loss
def test_no_other_loss_of_a_label_and_its_opposite_is_constant(loss, pair):
    x, y = pair
    both = loss(x, y, reduction="none") + loss(x, -y, reduction="none")
    assert (both.max() - both.min() < 1e-12) == (loss is ramp_loss)


def test_the_ramp_is_not_convex_and_the_others_are(device):
    z = torch.linspace(-4, 4, 81, dtype=torch.float64)
    for loss in LOSSES:
        a, b, middle = (
            of_margin(loss, v)
            for v in (z[:, None] + 0 * z, z + 0 * z[:, None],
                      (z[:, None] + z) / 2)
        )  # fmt: skip
        convex = (middle <= (a + b) / 2 + 1e-12).all()
        assert convex == (loss is not ramp_loss)


@every_loss
@pytest.mark.parametrize("p", [0.05, 0.3, 0.45, 0.6, 0.8, 0.95])
def test_the_best_score_has_the_sign_of_the_likelier_class(loss, p):
    assert best_score(loss, p) * (2 * p - 1) > 0


@pytest.mark.parametrize("p", [0.05, 0.3, 0.6, 0.8, 0.95])
def test_the_best_score_tells_the_probability_or_only_the_class(p):
    a = p / (1 - p)
    odds = max(a, 1 / a)
    expected = {
        hinge_loss: math.copysign(1, 2 * p - 1),
        ramp_loss: math.copysign(1, 2 * p - 1),
        squared_hinge_loss: 2 * p - 1,
        smoothed_hinge_loss: math.copysign(1 - 1 / odds, 2 * p - 1),
        exponential_loss: math.log(a) / 2,
    }
    for loss, score in expected.items():
        assert best_score(loss, p) == pytest.approx(score, abs=3e-3)


def test_the_pull_of_the_exponential_is_the_softmax_of_minus_the_margin(pair):
    x, y = pair
    pull = slope(exponential_loss, x, y).abs()
    torch.testing.assert_close(pull / pull.sum(), (-x * y).softmax(0))

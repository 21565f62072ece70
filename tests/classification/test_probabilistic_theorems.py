"""Losses of a probability: the theorems they rest on."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    class_weights,
    cross_entropy_loss,
    focal_loss,
    poly1_loss,
    poly_loss,
    softmax_focal_loss,
)

every_bins = pytest.mark.parametrize("bins", [1, 3, 10, 30])


def slope(loss, logits, *rest):
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits, *rest).sum(), logits)[0]


@pytest.fixture
def batch(generator):
    z = 2 * torch.randn(50, 4, generator=generator, dtype=torch.float64)
    return z, torch.randint(4, (50,), generator=generator)


@pytest.fixture
def binary(generator):
    z = 3 * torch.randn(200, generator=generator, dtype=torch.float64)
    return z, torch.randint(2, z.shape, generator=generator).double()


def best_probability(loss, eta):
    """The p that costs least where a share η of the labels is 1."""
    z = torch.linspace(-9, 9, 72_001, dtype=torch.float64)
    positive, negative = (
        loss(z, torch.full_like(z, y), reduction="none") for y in (1, 0)
    )
    risk = eta * positive + (1 - eta) * negative
    return z[risk.argmin()].sigmoid().item()


# Cross-entropy


def test_cross_entropy_is_entropy_plus_kl(batch):
    z, _ = batch
    q = z.roll(1, dims=0).softmax(dim=1)
    log_p = z.log_softmax(dim=1)
    entropy = -(q * q.log()).sum(1)
    divergence = F.kl_div(log_p, q, reduction="none").sum(1)
    torch.testing.assert_close(
        cross_entropy_loss(z, q, reduction="none"), entropy + divergence
    )


def test_the_slope_of_cross_entropy_is_what_is_said_minus_what_is_so(batch):
    z, t = batch
    q = F.one_hot(t, 4).double()
    loss = partial(cross_entropy_loss, reduction="sum")
    torch.testing.assert_close(slope(loss, z, t), z.softmax(1) - q)
    smooth = partial(loss, label_smoothing=0.3)
    expected = z.softmax(1) - (0.7 * q + 0.3 / 4)
    torch.testing.assert_close(slope(smooth, z, t), expected)


def test_a_constant_added_to_all_logits_changes_no_loss(batch):
    z, t = batch
    for loss in (
        cross_entropy_loss,
        softmax_focal_loss,
        poly1_loss,
        partial(poly_loss, coefficients=[1.0, 2.0]),
    ):
        torch.testing.assert_close(loss(z + 7, t), loss(z, t))


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 0.7])
def test_two_conventions_of_smoothing_are_one_with_another_epsilon(
    epsilon, batch
):
    """1 − ε and ε/(K − 1) elsewhere is our smoothing by ε K / (K − 1)."""
    z, t = batch
    q = F.one_hot(t, 4).double()
    other = (1 - epsilon) * q + epsilon / 3 * (1 - q)
    torch.testing.assert_close(
        cross_entropy_loss(z, other),
        cross_entropy_loss(z, t, label_smoothing=epsilon * 4 / 3),
    )


def test_weights_move_the_best_probability_by_their_odds():
    """Odds of 1/9 under a weight of 9 for the positives become even."""

    def weighted(z, y, reduction):
        rows = torch.stack([torch.zeros_like(z), z], dim=1)
        weight = torch.tensor([1.0, 9.0], dtype=z.dtype)
        return cross_entropy_loss(
            rows, y.long(), weight=weight, reduction=reduction
        )

    assert best_probability(weighted, 0.1) == pytest.approx(0.5, abs=1e-3)


def test_inverse_frequencies_give_every_class_the_same_say():
    counts = torch.tensor([900.0, 90.0, 10.0])
    each = class_weights(counts) * counts
    torch.testing.assert_close(each, each.mean().expand(3))


def test_the_mean_weight_of_a_sample_is_one():
    counts = torch.tensor([5000.0, 300.0, 0.0, 2.0])
    for beta in (None, 0.0, 0.9, 0.9999):
        weight = class_weights(counts, beta=beta)
        mean = (weight * counts).sum() / counts.sum()
        assert mean.item() == pytest.approx(1)


def test_effective_numbers_lie_between_no_weights_and_inverse_frequencies():
    counts = torch.tensor([5000.0, 300.0, 2.0], dtype=torch.float64)
    ratio = [
        (w := class_weights(counts, beta=beta))[2] / w[0]
        for beta in (0.0, 0.9, 0.99, 0.9999, 1 - 1e-9)
    ]
    assert ratio[0] == 1 and sorted(ratio) == ratio
    balanced = class_weights(counts)
    torch.testing.assert_close(
        class_weights(counts, beta=1 - 1e-9), balanced, rtol=1e-5, atol=0
    )


# Focal loss


def test_two_classes_are_one_score(binary):
    """Softmax focal of (0, z) is the binary one, without its α."""
    z, y = binary
    rows = torch.stack([torch.zeros_like(z), z], dim=1)
    torch.testing.assert_close(
        softmax_focal_loss(rows, y.long()), focal_loss(z, y, alpha=None)
    )


def test_swapping_labels_and_the_sign_of_the_score_swaps_alpha(binary):
    z, y = binary
    torch.testing.assert_close(
        focal_loss(z, y, alpha=0.3), focal_loss(-z, 1 - y, alpha=0.7)
    )


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_the_slope_of_focal_is_the_formula_of_its_paper(gamma, binary):
    """(2y − 1) (1 − pₜ)^γ (γ pₜ log pₜ + pₜ − 1)."""
    z, y = binary
    sign = 2 * y - 1
    p_t = (sign * z).sigmoid()
    expected = sign * (1 - p_t) ** gamma * (gamma * p_t * p_t.log() + p_t - 1)
    loss = partial(focal_loss, alpha=None, gamma=gamma, reduction="sum")
    torch.testing.assert_close(slope(loss, z, y), expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("eta", [0.05, 0.3, 0.8])
def test_focal_is_no_proper_score(gamma, eta):
    """Its best probability is less sure, and on the right side."""
    loss = partial(focal_loss, alpha=None, gamma=gamma)
    p = best_probability(loss, eta)
    assert abs(p - 0.5) < abs(eta - 0.5) and (p - 0.5) * (eta - 0.5) > 0
    assert best_probability(partial(loss, gamma=0.0), eta) == pytest.approx(
        eta, abs=1e-3
    )


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("eta", [0.05, 0.3, 0.8])
def test_the_true_probability_can_be_recovered_from_focal(gamma, eta):
    """η / (1 − η) = s(1 − p) / s(p), s the slope of the loss in p."""
    p = best_probability(partial(focal_loss, alpha=None, gamma=gamma), eta)

    def s(p):
        return (1 - p) ** gamma / p - gamma * (1 - p) ** (
            gamma - 1
        ) * math.log(p)

    odds = s(1 - p) / s(p)
    assert odds / (1 + odds) == pytest.approx(eta, abs=1e-3)


# Polynomials


def test_enough_terms_of_one_over_j_are_cross_entropy(batch):
    z, t = 0.5 * batch[0], batch[1]
    error = []
    for terms in (10, 100, 1000):
        series = [1 / j for j in range(1, terms + 1)]
        poly = poly_loss(z, t, coefficients=series)
        error.append(cross_entropy_loss(z, t) - poly)
    assert error[0] > error[1] > error[2] > 0 and error[2] < 1e-3


@pytest.mark.parametrize("gamma", [1, 2, 3])
def test_a_shifted_series_is_the_focal_loss_of_a_whole_gamma(gamma, batch):
    z, t = 0.5 * batch[0], batch[1]
    series = [0.0] * gamma + [1 / j for j in range(1, 800)]
    torch.testing.assert_close(
        poly_loss(z, t, coefficients=series),
        softmax_focal_loss(z, t, gamma=gamma),
    )


def test_poly1_is_cross_entropy_with_another_first_coefficient(batch):
    z, t = batch
    extra = poly_loss(z, t, coefficients=[0.7])
    torch.testing.assert_close(
        poly1_loss(z, t, epsilon=0.7), cross_entropy_loss(z, t) + extra
    )
    torch.testing.assert_close(
        extra, 0.7 * (1 - z.softmax(1)[range(50), t]).mean()
    )


@pytest.mark.parametrize("epsilon", [-1.0, 0.0, 2.0])
def test_a_more_probable_truth_never_costs_more_in_poly1(epsilon):
    z = torch.linspace(-12, 12, 481, dtype=torch.float64)
    rows = torch.stack([z, torch.zeros_like(z)], dim=1)
    each = poly1_loss(
        rows, torch.zeros(481).long(), epsilon=epsilon, reduction="none"
    )
    assert (each.diff() < 0).all() and (each >= 0).all()


def test_coefficients_can_be_learned(batch):
    z, t = batch
    a = torch.tensor([1.0, 0.5]).double().requires_grad_()
    (pull,) = torch.autograd.grad(poly_loss(z, t, coefficients=a), a)
    q = 1 - z.softmax(1)[range(50), t]
    torch.testing.assert_close(pull, torch.stack([q.mean(), (q**2).mean()]))


def test_weights_and_ignored_samples_are_alike_in_every_loss_of_classes(batch):
    """Σ wₜ L over Σ wₜ of what counts."""
    z, t = batch
    w = torch.tensor([0.5, 1, 2, 3]).double()
    some = t.where(t != 3, -7)
    for loss in (
        cross_entropy_loss,
        softmax_focal_loss,
        poly1_loss,
        partial(poly_loss, coefficients=[1.0, 2.0]),
    ):
        each = loss(z, t, reduction="none")
        share = w[t] * (t != 3)
        options = {"weight": w, "ignore_index": -7}
        torch.testing.assert_close(
            loss(z, some, **options, reduction="none"), share * each
        )
        torch.testing.assert_close(
            loss(z, some, **options), (share * each).sum() / share.sum()
        )

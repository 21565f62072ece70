"""What the losses with an opponent measure, if the judge is at its best."""

import math
from functools import partial

import pytest
import torch
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance

from handbook_code import (
    gradient_penalty,
    minimax_discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    wasserstein_critic_loss,
)


def with_slopes(loss, *tensors):
    tensors = [t.detach().requires_grad_() for t in tensors]
    value = loss(*tensors)
    return value, *torch.autograd.grad(value, tensors)


def some_densities():
    dice = torch.Generator().manual_seed(0)
    p, q = torch.rand(2, 8, generator=dice, dtype=torch.float64) + 0.05
    return p / p.sum(), q / q.sum()


def expected_cost(z, p, q):
    """Of a table of logits, with as many samples as p and q say."""
    of_real = torch.stack([minimax_discriminator_loss(v, v[:0]) for v in
                           z[:, None]])  # fmt: skip
    of_fake = torch.stack([minimax_discriminator_loss(v[:0], v) for v in
                           z[:, None]])  # fmt: skip
    return (p * of_real + q * of_fake).sum()


def test_the_best_discriminator_reports_the_jensen_shannon_divergence():
    p, q = some_densities()
    best = torch.log(p / q)
    value, slope = with_slopes(lambda z: expected_cost(z, p, q), best)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    m = (p + q) / 2
    jsd = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    torch.testing.assert_close(value, math.log(4) - 2 * jsd)
    worse = expected_cost(best + torch.randn(8).double(), p, q)
    assert worse > value


def test_against_it_generators_descend_two_divergences():
    """2 JSD, and KL(q‖p) − 2 JSD: slopes along moves of mass agree."""
    p, q = some_densities()
    best = torch.log(p / q)

    def jsd2(q):
        m = (p + q) / 2
        return (p * (p / m).log()).sum() + (q * (q / m).log()).sum()

    def reverse(q):
        return (q * (q / p).log()).sum() - jsd2(q)

    for loss, divergence in (
        (minimax_generator_loss, jsd2),
        (non_saturating_generator_loss, reverse),
    ):
        each = torch.stack([loss(z) for z in best[:, None]])
        slope = torch.func.grad(divergence)(q)
        torch.testing.assert_close(each - each.mean(), slope - slope.mean())


def test_the_minimax_game_is_zero_sum_and_the_other_is_not(logits):
    real, fake = logits

    def total(maker, fake):
        return minimax_discriminator_loss(real, fake) + maker(fake)

    zero_sum = partial(total, minimax_generator_loss)
    torch.testing.assert_close(zero_sum(fake), zero_sum(2 * fake + 1))
    other = partial(total, non_saturating_generator_loss)
    assert (other(fake) - other(2 * fake + 1)).abs() > 0.1


def test_the_best_critic_reports_the_wasserstein_distance():
    """On a line: by linear programming over critics, and by scipy."""
    dice = torch.Generator().manual_seed(0)
    place = torch.randn(9, generator=dice, dtype=torch.float64)
    real, fake = torch.arange(9)[:5], torch.arange(9)[5:]
    share = torch.zeros(9).double()
    share[real], share[fake] = -1 / 5, 1 / 4
    i, j = torch.triu_indices(9, 9, 1)
    rise = torch.eye(9).double()[i] - torch.eye(9).double()[j]
    way = (place[i] - place[j]).abs()
    found = linprog(
        share.numpy(),
        A_ub=torch.cat([rise, -rise]).numpy(),
        b_ub=way.repeat(2).numpy(),
        bounds=(None, None),
    )
    scores = torch.tensor(found.x)
    value = wasserstein_critic_loss(scores[real], scores[fake])
    exact = wasserstein_distance(place[real], place[fake])
    assert -value.item() == pytest.approx(exact, abs=1e-6)


def test_scores_have_no_zero(logits):
    real, fake = logits
    torch.testing.assert_close(
        wasserstein_critic_loss(real + 3, fake + 3),
        wasserstein_critic_loss(real, fake),
    )


def test_between_lines_the_penalised_slope_is_too_steep(device):
    """1 + θ / 2λ, and the value θ + θ² / 2λ, at θ = 2 and λ = 5."""
    a = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    real = torch.zeros(1, 1, dtype=torch.float64)
    fake = real - 2

    def cost(a):
        value = wasserstein_critic_loss(a * real, a * fake)
        return value + gradient_penalty(
            lambda x: a * x[:, 0], real, fake, weight=5.0
        )

    for _ in range(200):
        (slope,) = torch.autograd.grad(cost(a), a)
        a = (a - 0.05 * slope).detach().requires_grad_()
    assert a.item() == pytest.approx(1.2)
    value = wasserstein_critic_loss(a * real, a * fake).item()
    assert -value == pytest.approx(2.4)

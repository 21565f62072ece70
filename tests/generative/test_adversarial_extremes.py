"""Losses with an opponent: large numbers, flat critics, empty sides."""

import math

import pytest
import torch
from torch import nn

from handbook_code import (
    gradient_penalty,
    minimax_discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    wasserstein_critic_loss,
)

OF_BOTH = [minimax_discriminator_loss, wasserstein_critic_loss]


def with_slopes(loss, *tensors):
    tensors = [t.detach().requires_grad_() for t in tensors]
    value = loss(*tensors)
    return value, *torch.autograd.grad(value, tensors)


@pytest.mark.parametrize("size", [100.0, 1e4, 1e30])
def test_logits_of_any_size_have_values_and_slopes(size, device):
    z = torch.tensor([size])
    value, real, fake = with_slopes(minimax_discriminator_loss, -z, z)
    assert (value / size).item() == pytest.approx(2, rel=1e-6)
    assert real == -1 and fake == 1
    value, slope = with_slopes(non_saturating_generator_loss, -z)
    assert (value / size).item() == pytest.approx(1) and slope == -1
    value, slope = with_slopes(minimax_generator_loss, -z)
    assert -1e-40 < value <= 0 and -1e-40 < slope <= 0


def test_a_generator_s_slopes_fade_where_the_other_s_do_not(device):
    """−σ and σ − 1: at a logit of −10, 5e-5 against 1."""
    z = torch.tensor([-10.0])
    _, faint = with_slopes(minimax_generator_loss, z)
    _, full = with_slopes(non_saturating_generator_loss, z)
    assert faint.item() == pytest.approx(-math.exp(-10), rel=1e-3)
    assert full.item() == pytest.approx(-1, abs=1e-4)


def test_a_side_without_samples_costs_nothing(device):
    z, nobody = torch.tensor([2.0]), torch.empty(0)
    for loss in OF_BOTH:
        alone = loss(z, nobody) + loss(nobody, z)
        torch.testing.assert_close(alone, loss(z, z))


def test_half_precision_does_not_overflow(device):
    scores = torch.full((1000,), 600.0, dtype=torch.float16)
    value = wasserstein_critic_loss(-scores, scores)
    assert value.item() == 1200 and value.dtype == torch.float16


def test_patches_count_alike(logits, device):
    real, fake = torch.randn(4, 1, 3, 3), torch.randn(2, 1, 6, 6)
    for loss in OF_BOTH:
        torch.testing.assert_close(
            loss(real, fake), loss(real.flatten(), fake.flatten())
        )


def test_a_flat_critic_costs_the_weight_and_pulls_nowhere(device):
    """And no derivative of any order is NaN."""
    layer = nn.Linear(3, 1)
    nn.init.zeros_(layer.weight)
    x = torch.randn(5, 3)
    penalty = gradient_penalty(layer, x, -x, weight=7.0)
    penalty.backward()
    assert penalty.item() == 7
    assert (layer.weight.grad == 0).all()
    x = torch.zeros(5, 3, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x**3).sum(1), x, x)
    (first,) = torch.autograd.grad(penalty, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert (first == 0).all() and (second == 0).all()


def test_a_critic_that_has_broken_down_is_not_taken_for_a_flat_one(device):
    x = torch.ones(3, 2)
    for bad in (math.nan, math.inf):
        penalty = gradient_penalty(lambda x, bad=bad: bad * x[:, 0], x, -x)
        assert not penalty.isfinite()


def test_one_flat_sample_does_not_spoil_the_others(device):
    weight = torch.tensor([2.0, 0.0], requires_grad=True)
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    at_real = torch.ones(2)

    def critic(x):  # slopes 2w₀x₀ and 2w₁x₁: 4 and 0
        return (weight * x**2).sum(1)

    penalty = gradient_penalty(critic, x, -x, mixing=at_real)
    penalty.backward()
    assert penalty.item() == pytest.approx(10 * (9 + 1) / 2)
    assert weight.grad.isfinite().all()
    assert weight.grad[0].item() == pytest.approx(10 * 2 * 3 * 2 / 2)


def test_autocast_does_not_reach_the_critic(critic, pictures, device):
    x, made, mixing = (t.float() for t in pictures)
    critic = critic.float()
    expected = gradient_penalty(critic, x, made, mixing=mixing)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        actual = gradient_penalty(critic, x, made, mixing=mixing)
    assert actual == expected and actual.dtype == torch.float32


def test_the_penalty_works_without_gradients(critic, pictures):
    x, made, mixing = pictures
    expected = gradient_penalty(critic, x, made, mixing=mixing)
    with torch.no_grad():
        actual = gradient_penalty(critic, x, made, mixing=mixing)
    assert actual == expected and not actual.requires_grad


@pytest.mark.parametrize("shape", [(6, 1), (6, 1, 1, 1)])
def test_scores_may_have_axes_of_one(shape, pictures):
    x, made, mixing = pictures
    plain = gradient_penalty(
        lambda x: x.square().flatten(1).sum(1), x, made, mixing=mixing
    )
    more = gradient_penalty(
        lambda x: x.square().flatten(1).sum(1).view(shape),
        x,
        made,
        mixing=mixing,
    )
    torch.testing.assert_close(more, plain)

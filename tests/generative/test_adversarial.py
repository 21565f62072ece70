"""Losses with an opponent: parity, values by hand and messages."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from handbook_code import (
    clip_weights,
    gradient_penalty,
    minimax_discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from peers import peer

OF_BOTH = [minimax_discriminator_loss, wasserstein_critic_loss]


def with_slopes(loss, *tensors):
    tensors = [t.detach().requires_grad_() for t in tensors]
    value = loss(*tensors)
    return value, *torch.autograd.grad(value, tensors)


def agree(ours, theirs, *tensors):
    torch.testing.assert_close(
        with_slopes(ours, *tensors), with_slopes(theirs, *tensors)
    )


# Parity


def test_the_discriminator_is_torch_s_cross_entropy_of_both(logits):
    bce = F.binary_cross_entropy_with_logits

    def theirs(real, fake):
        return bce(real, torch.ones_like(real)) + bce(
            fake, torch.zeros_like(fake)
        )

    agree(minimax_discriminator_loss, theirs, *logits)


def test_generators_are_torch_s_cross_entropy(logits):
    """Of the false label; and of the true one, with the sign turned."""
    bce = F.binary_cross_entropy_with_logits
    agree(
        non_saturating_generator_loss,
        lambda z: bce(z, torch.ones_like(z)),
        logits[1],
    )
    agree(
        minimax_generator_loss,
        lambda z: -bce(z, torch.zeros_like(z)),
        logits[1],
    )


def test_monai_takes_the_same_logits_one_side_a_call(logits):
    """With criterion="bce"; its generator is the non-saturating one."""
    loss = peer("monai.losses").PatchAdversarialLoss(criterion="bce")
    real, fake = (z.float() for z in logits)

    def theirs(real, fake):
        return loss(real, True, True) + loss(fake, False, True)

    agree(minimax_discriminator_loss, theirs, real, fake)
    agree(non_saturating_generator_loss, lambda z: loss(z, True, False), fake)


def test_monai_s_default_and_hinge_are_other_losses(logits):
    losses = peer("monai.losses")
    real, fake = (z.float() for z in logits)
    ours = minimax_discriminator_loss(real, fake)
    for criterion in ("least_squares", "hinge"):
        loss = losses.PatchAdversarialLoss(criterion=criterion)
        theirs = loss(real, True, True) + loss(fake, False, True)
        assert not torch.isclose(theirs, ours, rtol=0.01)


def test_monai_saturates_where_logits_are_large():
    """A sigmoid, then BCELoss, which cuts logarithms off at −100."""
    loss = peer("monai.losses").PatchAdversarialLoss(criterion="bce")
    wrong = torch.tensor([150.0])
    value, slope = with_slopes(lambda z: loss(z, False, True), wrong)
    assert value == 100 and slope == 0
    right = torch.tensor([500.0])
    value, _, slope = with_slopes(minimax_discriminator_loss, right, wrong)
    assert value == 150 and slope == 1


def test_the_penalty_is_the_loop_over_samples(critic, pictures):
    """One by one, by torch.autograd.grad, as the paper's algorithm 1 says."""
    x, made, mixing = pictures

    def loop():
        total = 0
        for real, fake, share in zip(x, made, mixing, strict=True):
            point = (share * real + (1 - share) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(
                critic(point[None]).sum(), point, create_graph=True
            )
            total = total + 10 * (slope.flatten().norm() - 1) ** 2
        return total / len(x)

    weights = list(critic.parameters())
    ours = gradient_penalty(critic, x, made, mixing=mixing)
    torch.testing.assert_close(ours, loop())
    slopes = (
        torch.autograd.grad(value, weights, materialize_grads=True)
        for value in (ours, loop())
    )
    torch.testing.assert_close(*slopes)


# By hand


def test_logarithms_by_hand(device):
    """D = 3/4 on a real and 1/3 on a made sample: −log 3/4 − log 2/3."""
    real = torch.tensor([math.log(3)])
    fake = torch.tensor([-math.log(2)])
    both = minimax_discriminator_loss(real, fake).item()
    assert both == pytest.approx(math.log(2), abs=1e-6)
    of_fake = minimax_generator_loss(fake).item()
    assert of_fake == pytest.approx(math.log(2 / 3), abs=1e-6)
    believed = non_saturating_generator_loss(fake).item()
    assert believed == pytest.approx(math.log(3), abs=1e-6)


def test_scores_by_hand(device):
    """Means 2 and 5, of two scores and of three."""
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([4.0, 5.0, 6.0])
    assert wasserstein_critic_loss(real, fake).item() == 3
    assert wasserstein_generator_loss(fake).item() == -5


def test_a_penalty_by_hand(device):
    """f = 3x₀ + 4x₁ has slope 5 anywhere: 10 · 4²; half of it 2.5."""
    x = torch.randn(7, 2)
    w = torch.tensor([3.0, 4.0])
    penalty = gradient_penalty(lambda x: x @ w, x, -x)
    assert penalty.item() == pytest.approx(160)
    penalty = gradient_penalty(lambda x: x @ w / 2, x, -x, weight=2.0)
    assert penalty.item() == pytest.approx(4.5)


def test_epsilon_is_the_share_of_the_real_sample(device):
    """f = x²/2 has slope x: at ε = 1 that of the real one, 3; at 0, −1."""
    real, fake = torch.tensor([3.0]), torch.tensor([-1.0])
    for share, slope in ((1.0, 3), (0.0, 1), (0.5, 1), (0.75, 2)):
        penalty = gradient_penalty(
            lambda x: x**2 / 2, real, fake, mixing=torch.tensor([share])
        )
        assert penalty.item() == pytest.approx(10 * (slope - 1) ** 2)


def test_epsilon_is_drawn_for_every_sample_between_the_two(device):
    seen = []

    def look(x):
        seen.append(x.detach())
        return x.sum((1, 2))

    real, fake = torch.ones(500, 2, 3), torch.zeros(500, 2, 3)
    gradient_penalty(look, real, fake)
    share = seen[0][:, 0, 0]
    torch.testing.assert_close(seen[0], share[:, None, None].expand(500, 2, 3))
    assert share.min() < 0.05 and share.max() > 0.95
    assert share.min() >= 0 and share.max() <= 1
    assert abs(share.mean() - 0.5) < 0.1 and share.unique().numel() > 400


def test_clipping_by_hand(device):
    layer = nn.Linear(2, 1)
    layer.register_buffer("kept", torch.tensor([5.0]))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.2, -7.0]]))
        layer.bias.fill_(0.7)
    weight = layer.weight
    clip_weights(layer, limit=0.5)
    assert layer.weight is weight and layer.weight.requires_grad
    assert layer.weight.tolist() == [[pytest.approx(0.2), -0.5]]
    assert layer.bias.item() == 0.5 and layer.kept.item() == 5
    clip_weights(layer)
    assert layer.weight.abs().max().item() == pytest.approx(0.01)


# Messages


@pytest.mark.parametrize("loss", OF_BOTH)
def test_the_second_tensor_is_checked_too(loss, device):
    with pytest.raises(TypeError, match=r"^fake_\w+: .* torch\.int64$"):
        loss(torch.zeros(3), torch.zeros(3).long())


def test_a_penalty_says_what_is_wrong(device):
    x = torch.zeros(4, 3)

    def total(x):
        return x.sum(1)

    for arguments, options, error, message in (
        ((total, x, x[:3]), {}, ValueError, r"^fake: .*\(4, 3\), got \(3, 3"),
        ((total, x[0, 0], x[0, 0]), {}, ValueError, r"^real: .* got \(\)"),
        (("f", x, x), {}, TypeError, r"^critic: .* function, got str"),
        ((lambda x: x, x, x), {}, ValueError, r"^critic: .*got \(4, 3\)"),
        ((torch.sum, x, x), {}, ValueError, r"^critic: .*\(4,\), got \(\)"),
        ((total, x, x), {"weight": -1}, ValueError, r"^weight: .* got -1"),
        (
            (total, x, x),
            {"mixing": torch.zeros(4, 1)},
            ValueError,
            r"^mixing: .*\(4,\), got \(4, 1\)",
        ),
    ):
        with pytest.raises(error, match=message):
            gradient_penalty(*arguments, **options)


def test_clipping_says_what_is_wrong(device):
    with pytest.raises(TypeError, match=r"^critic: .* module, got function"):
        clip_weights(lambda x: x)
    with pytest.raises(ValueError, match=r"^limit: expected a positive"):
        clip_weights(nn.Linear(1, 1), limit=0.0)

"""What the papers prove of the losses, on densities known exactly."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from handbook_code import denoising_score_matching_loss, simple_diffusion_loss


@pytest.fixture
def data():
    """Three values and how likely each is: noised, a mixture."""
    places = torch.tensor([-2.0, 0.5, 1.0], dtype=torch.float64)
    shares = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    return places, shares


@pytest.fixture
def noise():
    """Nodes and weights of an exact average over the normal distribution."""
    nodes = torch.linspace(-9, 9, 2_001, dtype=torch.float64)
    weights = torch.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()


def noised(data, scale, sigma):
    places, shares = data
    parts = Normal(scale * places, sigma)
    return MixtureSameFamily(Categorical(shares), parts)


def exact_score(data, scale, sigma, x):
    x = x.detach().requires_grad_()
    log_density = noised(data, scale, sigma).log_prob(x).sum()
    return torch.autograd.grad(log_density, x)[0]


def average(loss, data, noise):
    """Over the data and the noise, without chance."""
    (places, shares), (nodes, weights) = data, noise
    total = 0
    for place, share in zip(places, shares, strict=True):
        each = loss(place.expand(len(nodes), 1), nodes[:, None])
        total = total + share * (weights * each).sum()
    return total


def wrong(x):
    return 0.3 * x.sin() - 0.1 * x


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_denoising_and_explicit_score_matching_differ_by_a_constant(
    data, noise, sigma
):
    """Vincent's theorem: the same constant for whatever network."""

    def denoising(score):
        return average(
            lambda x, e: denoising_score_matching_loss(
                lambda x, _: score(x), x, sigma, noise=e, reduction="none"
            ),
            data,
            noise,
        )

    grid = torch.linspace(-14, 14, 40_001, dtype=torch.float64)
    density = noised(data, 1, sigma).log_prob(grid).exp()
    truth = exact_score(data, 1, sigma, grid)

    def explicit(score):
        error = (score(grid) - truth).square() / 2
        return torch.trapezoid(density * error, grid)

    constants = [
        denoising(score) - explicit(score)
        for score in (wrong, torch.zeros_like, torch.cos)
    ]
    torch.testing.assert_close(constants[1:], constants[:1] * 2)
    assert constants[0] > 0.01


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_the_score_of_the_noised_density_is_the_best(data, noise, sigma):
    def cost(bend):
        def score(x, _):
            return exact_score(data, 1, sigma, x) + bend * wrong(x)

        return average(
            lambda x, e: denoising_score_matching_loss(
                score, x, sigma, noise=e, reduction="none"
            ),
            data,
            noise,
        )

    best = cost(0)
    assert best > 0  # the floor: noise cannot be told from data
    assert all(cost(bend) > best for bend in (-0.1, 0.01, 0.1))


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.95])
def test_the_best_guess_of_the_noise_is_minus_the_score_times_its_size(
    data, noise, kept
):
    size = math.sqrt(1 - kept)
    schedule = torch.tensor([kept], dtype=torch.float64)

    def cost(bend):
        def model(x, _):
            truth = exact_score(data, math.sqrt(kept), size, x)
            return -size * truth + bend * wrong(x)

        return average(
            lambda x, e: simple_diffusion_loss(
                model,
                x,
                torch.zeros(len(x), dtype=torch.long),
                schedule,
                noise=e,
                reduction="none",
            ),
            data,
            noise,
        )

    best = cost(0)
    assert 0 < best < 1  # guessing nothing costs 1
    assert all(cost(bend) > best for bend in (-0.1, 0.01, 0.1))


def test_both_losses_are_one(generator):
    """‖ε̂ − ε‖² = σ² ‖s + ε/σ‖² where s = −ε̂/σ; a mean, and half a sum."""
    x, e = torch.randn(2, 9, 4, generator=generator, dtype=torch.float64)
    kept, D = torch.tensor([0.3]).double(), 4
    sigma = (1 - kept).sqrt().item()
    t = torch.zeros(9, dtype=torch.long)

    def model(x, t):
        return (x + 1).sin()

    simple = simple_diffusion_loss(
        model, x, t, kept, noise=e, reduction="none"
    )
    matching = denoising_score_matching_loss(
        lambda x, sigma: -model(x, t) / sigma,
        kept.sqrt() * x,
        sigma,
        noise=e,
        power=2.0,
        reduction="none",
    )
    torch.testing.assert_close(simple, 2 * matching / D)
    changing = denoising_score_matching_loss(
        lambda x, sigma: -model(x, t) / sigma,
        kept.sqrt() * x,
        sigma,
        noise=e,
        reduction="none",
    )
    torch.testing.assert_close(simple, 2 * sigma**2 * changing / D)

"""Embeddings for the tests of metric losses."""

import pytest
import torch

from handbook_code.bench.meter import Largest


@pytest.fixture
def rows(generator):
    """Three times forty embeddings of five numbers."""
    return torch.randn(3, 40, 5, generator=generator, dtype=torch.float64)


@pytest.fixture
def same(generator):
    """Which of forty pairs are of one kind."""
    return torch.rand(40, generator=generator) < 0.5


@pytest.fixture
def batch(generator):
    """Embeddings of many lengths, centers, and the class of each."""
    like = {"generator": generator, "dtype": torch.float64}
    x = 3 * torch.randn(60, 5, **like)
    centers = 2 * torch.randn(7, 5, **like)
    return x, centers, torch.randint(7, (60,), generator=generator)


@pytest.fixture
def at_angles():
    """Embeddings at some angles to the first of two opposite centers."""

    def make(theta, length=1.0):
        x = length * torch.stack([theta.cos(), theta.sin()], dim=-1)
        centers = torch.tensor([[2.0, 0], [-2, 0]]).to(theta)
        return x, centers, torch.zeros_like(theta, dtype=torch.long)

    return make


@pytest.fixture
def largest():
    return Largest

"""Embeddings for the tests of metric losses."""

import pytest
import torch


@pytest.fixture
def rows(generator):
    """Three times forty embeddings of five numbers."""
    return torch.randn(3, 40, 5, generator=generator, dtype=torch.float64)


@pytest.fixture
def same(generator):
    """Which of forty pairs are of one kind."""
    return torch.rand(40, generator=generator) < 0.5

"""Clouds of points for the tests of transport."""

import pytest
import torch


@pytest.fixture
def clouds(generator):
    """Twelve and nine points in the plane, and what they weigh."""
    like = {"generator": generator, "dtype": torch.float64}
    x = torch.randn(12, 2, **like)
    y = 0.5 * torch.randn(9, 2, **like) + 1
    a, b = torch.rand(12, **like) + 0.1, torch.rand(9, **like) + 0.1
    return x, y, a / a.sum(), b / b.sum()

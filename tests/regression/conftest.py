"""Samples for the tests of boxes."""

import pytest
import torch


@pytest.fixture
def boxes(generator):
    """Pairs x1, y1, x2, y2: disjoint, crossing, and one inside the other."""
    options = {"generator": generator, "dtype": torch.float64}
    centre = torch.randn(2, 600, 2, **options).mul_(1.5)
    half = torch.rand(2, 600, 2, **options).mul_(2).add_(0.1)
    return torch.cat([centre - half, centre + half], dim=-1).unbind()

"""Samples for the tests of margins."""

import pytest
import torch


@pytest.fixture
def pair(generator):
    """Scores on either side of every corner, and labels −1 and +1."""
    x = torch.randn(400, generator=generator, dtype=torch.float64).mul_(3)
    label = torch.randint(2, (400,), generator=generator)
    return x, 2.0 * label.double() - 1

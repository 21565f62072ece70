"""Pairs of images for the tests of similarity."""

from functools import partial

import pytest
import torch
from torch import Tensor


def draw(generator: torch.Generator, *shape: int) -> tuple[Tensor, Tensor]:
    """A smooth picture with some grain, and a copy that went wrong a bit."""
    like = {"generator": generator, "dtype": torch.float64}
    *batch, height, width = shape
    down = torch.linspace(0, 9, height, dtype=torch.float64)[:, None]
    across = torch.linspace(0, 7, width, dtype=torch.float64)
    phase = 6 * torch.rand(*batch, 1, 1, **like)
    wave = ((down + phase).sin() * (across - phase).cos() + 1) / 2
    target = 0.1 + 0.6 * wave + 0.2 * torch.rand(*shape, **like)
    input = 0.8 * target + 0.05 + 0.1 * torch.rand(*shape, **like)
    return input, target


@pytest.fixture
def pictures(generator):
    return partial(draw, generator)


@pytest.fixture
def pair(pictures):
    return pictures(2, 3, 48, 40)


@pytest.fixture
def large(pictures):
    """Large enough for five scales, and even at each."""
    return pictures(1, 2, 176, 192)

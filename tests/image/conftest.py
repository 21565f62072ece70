"""Pairs of images, drawn and photographed, for the tests of image losses."""

from functools import partial

import pytest
import torch
from skimage import data
from torch import Tensor

from handbook_code import formulas_only


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


@pytest.fixture
def grey(generator):
    """Two crops of a photograph, from 0 to 1, and the same with noise."""
    camera = torch.tensor(data.camera() / 255, device=generator.device)
    x = torch.stack([camera[60:124, 180:260], camera[200:264, 100:180]])
    noise = 0.1 * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x[:, None], (x + noise)[:, None].clamp(0, 1)


@pytest.fixture
def coloured(generator):
    """The same in colour."""
    face = torch.tensor(data.astronaut() / 255, device=generator.device)
    x = torch.stack([face[60:124, 180:244], face[200:264, 100:164]])
    noise = 0.1 * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    pictures = x, (x + noise).clamp(0, 1)
    return tuple(p.movedim(-1, 1).contiguous() for p in pictures)


@pytest.fixture(params=["pass", "formula"])
def road(request):
    """Every test twice: as a loss is called, and by its formula."""
    if request.param == "pass":
        yield
    else:
        with formulas_only():
            yield

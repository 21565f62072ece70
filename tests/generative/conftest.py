"""Clouds, logits, a judge and pictures for the tests of several files."""

import pytest
import torch
from skimage import data
from skimage.transform import resize
from torch import nn


@pytest.fixture
def clouds(generator):
    """Twelve and nine points in the plane, and what they weigh."""
    like = {"generator": generator, "dtype": torch.float64}
    x = torch.randn(12, 2, **like)
    y = 0.5 * torch.randn(9, 2, **like) + 1
    a, b = torch.rand(12, **like) + 0.1, torch.rand(9, **like) + 0.1
    return x, y, a / a.sum(), b / b.sum()


@pytest.fixture
def logits(generator):
    """Of forty real samples and of thirty made ones."""
    z = 3 * torch.randn(70, generator=generator, dtype=torch.float64)
    return z[:40], z[40:]


@pytest.fixture
def critic(generator):
    """A small network of pictures, without what mixes samples."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.SiLU(), nn.Flatten(), nn.Linear(27, 1)
    ).double()


@pytest.fixture
def pictures(generator):
    """Real ones, made ones, and how each pair is mixed."""
    shape = (2, 6, 2, 5, 5)
    x, made = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x, made, torch.rand(6, generator=generator, dtype=torch.float64)


@pytest.fixture
def photographs(device):
    """The middle of three photographs, 224 pixels wide, from 0 to 1."""
    crops = []
    for picture in (data.chelsea(), data.coffee(), data.rocket()):
        height, width, _ = picture.shape
        top, left = (height - min(height, width)) // 2, (width - height) // 2
        square = picture[top : top + height, left : left + height]
        crops.append(torch.as_tensor(resize(square, (224, 224))))
    return torch.stack(crops).movedim(-1, 1).float().to(device)

"""Pictures for the tests of image losses."""

import pytest
import torch
from skimage import data


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

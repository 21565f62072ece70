"""Pictures for the tests of generative losses."""

import pytest
import torch
from skimage import data
from skimage.transform import resize


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

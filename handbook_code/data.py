"""Real data of the chapters that ship in packages; nothing is downloaded."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from skimage import data
from skimage.io import imread
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d


def nuclei() -> tuple[np.ndarray, np.ndarray]:
    """Fluorescent nuclei, 512 × 512, and for each pixel the nucleus or 0.

    A picture of the Data Science Bowl 2018 with the masks of its annotators,
    from the package stardist.
    """
    package = find_spec("stardist")
    if package is None:
        raise ModuleNotFoundError(
            "the picture of nuclei is in the package stardist: "
            "pip install --no-deps stardist"
        )
    folder = Path(package.origin).parent / "data" / "images"
    return imread(folder / "img2d.tif"), imread(folder / "mask2d.tif")


def photographs(shrink: int = 2) -> dict[str, Tensor]:
    """Six photographs in colour, (3, H, W), from 0 to 1.

    They are made smaller by a whole factor, and cut to sides that four
    divides.
    """
    # Here, since who wants the nuclei alone need not have scikit-learn.
    from sklearn.datasets import load_sample_image

    pictures = {
        "flower": load_sample_image("flower.jpg"),
        "astronaut": data.astronaut(),
        "chelsea": data.chelsea(),
        "rocket": data.rocket(),
        "china": load_sample_image("china.jpg"),
        "coffee": data.coffee(),
    }
    return {name: _coloured(p, shrink) for name, p in pictures.items()}


def _coloured(picture: np.ndarray, shrink: int) -> Tensor:
    x = torch.tensor(picture / 255.0).float().movedim(-1, 0)
    x = avg_pool2d(x, shrink)
    height, width = (side // 4 * 4 for side in x.shape[1:])
    return x[:, :height, :width]


def crops(
    pictures: Sequence[Tensor], count: int, size: int, draw: Generator
) -> Tensor:
    """Squares from random places of random pictures, (count, C, size, size).

    Each picture is as likely as another, however large it is.
    """
    found = []
    which = torch.randint(len(pictures), (count,), generator=draw)
    for picture in (pictures[number] for number in which):
        room = torch.tensor(picture.shape[1:]) - size + 1
        i, j = (torch.rand(2, generator=draw) * room).long()
        found.append(picture[:, i : i + size, j : j + size])
    return torch.stack(found)

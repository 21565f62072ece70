"""Real data of the chapters, in packages or yours; nothing is downloaded."""

import os
import pickle
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


CIFAR10 = "HANDBOOK_CIFAR10"


def cifar10(folder: str | Path | None = None) -> tuple[Tensor, Tensor]:
    """The pictures of your copy of CIFAR-10, for training and for the test.

    Args:
        folder: of the python version, with data_batch_1 to data_batch_5 and
            test_batch, or the one around it. By default that which the
            environment variable HANDBOOK_CIFAR10 names.

    Returns:
        Bytes (N, 3, 32, 32), from 0 to 255: 50 000 and 10 000 in the
        published files.

    Raises:
        FileNotFoundError: if no folder is named, or a file is not there.
        ValueError: if a file is not such a pickle, ends early, or has pictures
            of another shape.

    Reference:
        Krizhevsky (2009), Learning multiple layers of features from tiny
        images.
    """
    folder = folder or os.environ.get(CIFAR10)
    if not folder:
        raise FileNotFoundError(
            f"folder: expected that of CIFAR-10, python version, as argument "
            f"or in the environment variable {CIFAR10}, got neither"
        )
    folder = Path(folder)
    inside = folder / "cifar-10-batches-py"
    folder = inside if inside.is_dir() else folder
    names = [f"data_batch_{n}" for n in range(1, 6)]
    parts = [_cifar_batch(folder / name) for name in (*names, "test_batch")]
    return torch.cat(parts[:-1]), parts[-1]


def _cifar_batch(path: Path) -> Tensor:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a file of CIFAR-10, python version, got none"
        )
    try:
        with path.open("rb") as file:
            batch = _ArraysOnly(file, encoding="bytes").load()
    # What a damaged pickle raises depends on the byte.
    except Exception as error:
        raise ValueError(
            f"{path}: expected a whole pickle of CIFAR-10, got {error!r}"
        ) from error
    data = batch.get(b"data") if isinstance(batch, dict) else None
    if not isinstance(data, np.ndarray):
        raise ValueError(
            f"{path}: expected a dictionary with the array b'data', "
            f"got {type(batch).__name__} without it"
        )
    if data.dtype != np.uint8 or data.shape[1:] != (3072,) or not len(data):
        raise ValueError(
            f"{path}: expected bytes (N, 3072), got {data.dtype} {data.shape}"
        )
    return torch.from_numpy(data.copy()).view(-1, 3, 32, 32)


class _ArraysOnly(pickle.Unpickler):
    """A pickle can call anything; this one may make arrays."""

    def find_class(self, module: str, name: str) -> object:
        known = {
            "_reconstruct": np.empty(0).__reduce__()[0],
            "ndarray": np.ndarray,
            "dtype": np.dtype,
        }
        if module.split(".")[0] == "numpy" and name in known:
            return known[name]
        raise pickle.UnpicklingError(f"{module}.{name}, which may do harm")

"""Real data of the chapters that ship in packages nobody needs to import."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from skimage.io import imread


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

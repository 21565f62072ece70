"""Distorted photographs in the manner of TID2013, made on the spot.

Kinds have the numbers that they have there; ours are simpler.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from handbook_code.opinion import LEVELS

# How strong the five levels are. The unit is that of the function below.
STRENGTHS: dict[int, Sequence[float]] = {
    1: (0.02, 0.04, 0.07, 0.11, 0.16),
    2: (0.02, 0.04, 0.07, 0.11, 0.16),
    3: (0.015, 0.03, 0.05, 0.08, 0.12),
    5: (0.02, 0.04, 0.07, 0.11, 0.16),
    6: (0.002, 0.006, 0.015, 0.035, 0.08),
    7: (24, 14, 9, 6, 4),
    8: (0.5, 0.8, 1.2, 1.8, 2.8),
    10: (60, 30, 15, 8, 4),
    11: (12, 24, 45, 80, 140),
    14: (4, 10, 24, 50, 100),
    15: (1, 2, 4, 8, 16),
    16: (-0.05, 0.08, -0.12, 0.17, -0.23),
    17: (0.85, 1.2, 0.65, 1.5, 0.4),
    18: (0.75, 0.5, 0.25, 0.0, -0.5),
}
Distort = Callable[[Tensor, float, Generator], Tensor]


def _noise(x: Tensor, by: float, draw: Generator) -> Tensor:
    return x + by * torch.randn(x.shape, generator=draw)


def _colour_noise(x: Tensor, by: float, draw: Generator) -> Tensor:
    noise = torch.randn(x.shape, generator=draw)
    return x + by * (1.2 * noise - noise.mean(0))


def _correlated_noise(x: Tensor, by: float, draw: Generator) -> Tensor:
    noise = _blur(torch.randn(x.shape, generator=draw), 1.5, draw)
    return x + by * noise / noise.std()


def _fine_noise(x: Tensor, by: float, draw: Generator) -> Tensor:
    noise = torch.randn(x.shape, generator=draw)
    noise = noise - _blur(noise, 1.0, draw)
    return x + by * noise / noise.std()


def _impulses(x: Tensor, share: float, draw: Generator) -> Tensor:
    chance = torch.rand(x.shape, generator=draw)
    return x.where(chance > share, (chance < share / 2).to(x))


def _tones(x: Tensor, count: float, draw: Generator) -> Tensor:
    return (x * (count - 1)).round() / (count - 1)


def _blur(x: Tensor, width: float, draw: Generator) -> Tensor:
    reach = int(3 * width + 1)
    at = torch.arange(-reach, reach + 1)
    taps = torch.exp(-0.5 * (at / width) ** 2)
    taps = (taps / taps.sum()).to(x)
    wide = F.pad(x[:, None], [reach] * 4, mode="reflect")
    return F.conv2d(F.conv2d(wide, taps[None, None, None]),
                    taps[None, None, :, None])[:, 0]  # fmt: skip


def _jpeg(x: Tensor, quality: float, draw: Generator) -> Tensor:
    return _through(x, format="JPEG", quality=int(quality))


def _jpeg2000(x: Tensor, smaller: float, draw: Generator) -> Tensor:
    return _through(x, format="JPEG2000", quality_mode="rates",
                    quality_layers=[smaller])  # fmt: skip


def _through(x: Tensor, **options) -> Tensor:
    """As a file of another format, and back."""
    file = BytesIO()
    Image.fromarray(eight_bits(x)).save(file, **options)
    return _tensor(Image.open(file))


def _displaced(x: Tensor, count: float, draw: Generator) -> Tensor:
    return _patches(x, int(count), draw, moved=4)


def _blocks(x: Tensor, count: float, draw: Generator) -> Tensor:
    return _patches(x, int(count), draw, moved=None)


def _patches(
    x: Tensor, count: int, draw: Generator, moved: int | None, size: int = 10
) -> Tensor:
    """Squares with what is beside them, or with a colour of their own."""
    y, shift = x.clone(), moved or 0
    room = torch.tensor(x.shape[1:]) - size - 2 * shift + 1
    for _ in range(count):
        i, j = ((torch.rand(2, generator=draw) * room).long() + shift).tolist()
        di, dj = (torch.randint(2, (2,), generator=draw) * 2 - 1).tolist()
        colour = torch.rand(3, 1, 1, generator=draw)
        new = colour.expand(3, size, size)
        if moved is not None:
            a, b = i + di * shift, j + dj * shift
            new = x[:, a : a + size, b : b + size]
        y[:, i : i + size, j : j + size] = new
    return y


def _shift(x: Tensor, by: float, draw: Generator) -> Tensor:
    return x + by


def _contrast(x: Tensor, factor: float, draw: Generator) -> Tensor:
    middle = x.mean()
    return middle + factor * (x - middle)


def _saturation(x: Tensor, factor: float, draw: Generator) -> Tensor:
    weight = x.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    grey = (x * weight).sum(0, keepdim=True)
    return grey + factor * (x - grey)


DISTORTIONS: dict[int, Distort] = dict(
    zip(
        STRENGTHS,
        (_noise, _colour_noise, _correlated_noise, _fine_noise, _impulses,
         _tones, _blur, _jpeg, _jpeg2000, _displaced, _blocks, _shift,
         _contrast, _saturation),
        strict=True,
    )
)  # fmt: skip


def distorted(picture: Tensor, kind: int, level: int, seed: int = 0) -> Tensor:
    """A picture (3, H, W) from 0 to 1 with one of the distortions.

    Args:
        picture: its sides at least 18 pixels.
        kind: one of ``DISTORTIONS``, numbered as in ``opinion.KINDS``.
        level: from 1 to 5. Of mean shift and contrast every second level is
            in the other direction.
        seed: of what is random in it, drawn anew for each kind and level.

    Returns:
        As large, from 0 to 1, in steps of 1/255.

    Raises:
        ValueError: if there is no such kind or level.

    >>> distorted(torch.full((3, 20, 20), 0.5), kind=16, level=2).mean()
    tensor(0.5804)
    """
    if kind not in DISTORTIONS or level not in range(1, LEVELS + 1):
        raise ValueError(
            f"kind, level: expected one of {list(DISTORTIONS)} and 1 to "
            f"{LEVELS}, got {kind!r} and {level!r}"
        )
    draw = torch.Generator().manual_seed(seed * 1000 + kind * 10 + level)
    strength = STRENGTHS[kind][level - 1]
    return _tensor(eight_bits(DISTORTIONS[kind](picture, strength, draw)))


def write_copy(
    folder: Path, pictures: Sequence[Tensor], opinion: Callable
) -> None:
    """A folder as that of TID2013, with all of the distortions.

    Args:
        folder: is made, with what is above it.
        pictures: the references, (3, H, W) each, at most 25.
        opinion: from a reference and what was made of it, (3, H, W) each, to
            a score from 0 to 9.
    """
    for part in ("reference_images", "distorted_images"):
        (folder / part).mkdir(parents=True)
    lines = []
    for r, picture in enumerate(pictures, start=1):
        pure = _tensor(eight_bits(picture))
        path = folder / "reference_images" / f"I{r:02}.BMP"
        Image.fromarray(eight_bits(pure)).save(path)
        for kind in DISTORTIONS:
            for level in range(1, LEVELS + 1):
                made = distorted(pure, kind, level, seed=r)
                name = f"i{r:02}_{kind:02}_{level}.bmp"
                path = folder / "distorted_images" / name
                Image.fromarray(eight_bits(made)).save(path)
                lines.append(f"{float(opinion(pure, made)):.5f} {name}\n")
    (folder / "mos_with_names.txt").write_text("".join(lines))


def eight_bits(picture: Tensor) -> np.ndarray:
    """Bytes (H, W, 3) of a picture (3, H, W) from 0 to 1."""
    whole = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    return whole.movedim(0, -1).contiguous().numpy()


def _tensor(values: np.ndarray | Image.Image) -> Tensor:
    return torch.from_numpy(np.array(values)).movedim(-1, 0) / 255.0

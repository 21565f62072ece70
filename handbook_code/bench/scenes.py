"""Pictures to be segmented: real nuclei, and spots whose truth is known.

A picture is a pair: the image (C, H, W) of floats and the mask (H, W) of
classes, of long. A setting has three parts that share no object.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

Picture = tuple[Tensor, Tensor]
SIDE = 48


@dataclass(frozen=True)
class Setting:
    """What is learnt from, chosen by and judged on."""

    train: list[Picture]
    validation: list[Picture]
    test: list[Picture]


@dataclass(frozen=True)
class Spots:
    """Made pictures, three numbers of which are dialled.

    Each spot has an outline of its own, a contrast of its own, and lies among
    smooth glows that are no spots, under correlated noise.

    Args:
        radius: of a spot on average, in pixels.
        share: of the pixels that are a spot's, on average.
        jitter: how far a drawn outline strays from the true one, by a
            standard deviation of 1.2 times this in pixels: in training and
            validation, not in the test.
    """

    radius: float
    share: float
    jitter: float = 0.0
    counts: tuple[int, int, int] = field(default=(64, 48, 64))

    def __call__(self) -> Setting:
        generator = torch.Generator().manual_seed(2020)
        train, validation, test = (
            self.draw(count, jitter, generator)
            for count, jitter in zip(
                self.counts, (self.jitter, self.jitter, 0.0), strict=True
            )
        )
        return Setting(train, validation, test)

    def draw(
        self, count: int, jitter: float, generator: torch.Generator
    ) -> list[Picture]:
        """So many pictures, with masks whose outlines stray by ``jitter``."""

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        area = math.pi * self.radius**2
        number = torch.poisson(
            torch.full((count,), self.share * SIDE**2 / area),
            generator=generator,
        ).int()
        pictures = []
        for spots in number.tolist():
            mask = torch.zeros(SIDE, SIDE).bool()
            light = torch.zeros(SIDE, SIDE)
            for _ in range(spots):
                distance, angle = _polar(generator)
                bumps = normal(2), math.pi * normal(2)
                size = self.radius * (1 + 0.2 * normal(1)).clamp(0.5, 1.5)
                outline = size * (1 + _wave(angle, *bumps, 0.12))
                stray = normal(1) + _wave(angle, normal(2), normal(2), 0.7)
                contrast = (1 + 0.3 * normal(1)).clamp(min=0.3)
                light = torch.where(distance < outline, contrast, light)
                mask |= distance < outline + jitter * stray
            for _ in range(3):
                distance, _ = _polar(generator)
                width = self.radius * (1 + torch.rand(1, generator=generator))
                light = light + 0.6 * torch.exp(-((distance / width) ** 2))
            grain = 0.55 * normal(SIDE, SIDE) + 0.5 * _smooth(
                normal(SIDE, SIDE), 2.0
            )
            image = _smooth(light, 0.8) + grain
            pictures.append((image[None], mask.long()))
        return pictures


def _polar(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Distance and angle of each pixel from a random place."""
    y0, x0 = torch.rand(2, generator=generator) * SIDE
    side = torch.arange(SIDE) + 0.5
    y, x = side[:, None] - y0, side - x0
    return torch.hypot(y, x), torch.atan2(y, x)


def _wave(angle: Tensor, size: Tensor, phase: Tensor, scale: float) -> Tensor:
    return scale * (
        size[0] * torch.cos(2 * angle + phase[0])
        + size[1] * torch.cos(3 * angle + phase[1])
    )


def _smooth(image: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur; of white noise of deviation 1 it keeps 1 roughly."""
    reach = math.ceil(3 * sigma)
    x = torch.arange(-reach, reach + 1.0)
    window = torch.exp(-0.5 * (x / sigma) ** 2)
    window = window / window.sum()
    padded = F.pad(image[None, None], (reach,) * 4, mode="reflect")
    rows = F.conv2d(padded, window.view(1, 1, 1, -1))
    return F.conv2d(rows, window.view(1, 1, -1, 1))[0, 0]


# The rows of the picture of nuclei: between the parts lie rows that none of
# them has, wider than a nucleus is long.
PARTS = {"train": (0, 232), "validation": (264, 360), "test": (392, 488)}


def nuclei() -> Setting:
    """The nuclei of ``handbook_code.data``, in three strips of the picture."""
    from handbook_code.data import nuclei as read

    picture, labels = read()
    light = torch.tensor(picture.astype("float32")).log1p()
    masks = torch.tensor(labels > 0).long()
    seen = light[slice(*PARTS["train"])]
    light = (light - seen.mean()) / seen.std()

    def strip(part: str) -> Picture:
        rows = slice(*PARTS[part])
        return light[None, rows], masks[rows]

    return Setting(
        [strip("train")], _tiles(*strip("validation")), _tiles(*strip("test"))
    )


def _tiles(image: Tensor, mask: Tensor) -> list[Picture]:
    """Squares side by side; a rest narrower than a square is left."""
    height, width = mask.shape
    corners = [
        (y, x)
        for y in range(0, height - SIDE + 1, SIDE)
        for x in range(0, width - SIDE + 1, SIDE)
    ]
    return [
        (
            image[:, y : y + SIDE, x : x + SIDE],
            mask[y : y + SIDE, x : x + SIDE],
        )
        for y, x in corners
    ]


SETTINGS = {
    "nuclei": nuclei,
    "large, common": Spots(radius=7, share=0.15),
    "large, rare": Spots(radius=7, share=0.03),
    "small, common": Spots(radius=3, share=0.15),
    "small, rare": Spots(radius=3, share=0.03),
    "small, common, noisy": Spots(radius=3, share=0.15, jitter=0.8),
}

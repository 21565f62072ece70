"""What losses by windows share: checks, the weights, and the last product."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from handbook_code._checks import check_pair, check_positive
from handbook_code._reduce import widen

SIDE, SIGMA = 11, 1.5  # the window of Wang et al.
WANG = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
ZHAO = (0.5, 1.0, 2.0, 4.0, 8.0)


def images(
    input: Tensor, target: Tensor, least: int, scales: int | None = None
) -> tuple[torch.dtype, Tensor, Tensor]:
    check_pair(input=input, target=target)
    if input.dim() != 4 or min(input.shape[2:]) < least or not input.shape[1]:
        many = "" if scales is None else f" for {scales} scales"
        raise ValueError(
            f"input: expected images (N, C, H, W) of at least {least} × "
            f"{least} pixels{many}, got {tuple(input.shape)}"
        )
    return widen(input, target)


def check_scales(name: str, numbers: Sequence[float]) -> None:
    if len(numbers) == 0:
        raise ValueError(f"{name}: expected a number for each scale, got none")
    for number in numbers:
        check_positive(**{name: number})


def _windows(image: Tensor, sigma: float, side: int) -> tuple[Tensor, Tensor]:
    """For height and width a matrix whose rows are the windows' weights."""
    # Farther out a weight is nothing to the others, but a denormal number,
    # and those are slow.
    half, reach = side // 2, int(9 * sigma)
    bell = [
        math.exp(-((place / sigma) ** 2) / 2) * (abs(place) <= reach)
        for place in range(-half, half + 1)
    ]
    weight = image.new_tensor(bell) / sum(bell)
    height, width = image.shape[-2:]
    down = _each_place(weight, height)
    return down, down if width == height else _each_place(weight, width)


def _each_place(weight: Tensor, length: int) -> Tensor:
    """In each row the window is one place farther than in the one above."""
    count = length - len(weight) + 1
    row = pad(weight, (0, count))
    return row.repeat(count)[:-count].view(count, length)


def _weighted(missing: Tensor, weights: Sequence[float]) -> Tensor:
    """One minus the weighted product, continued below zero."""
    w = missing.new_tensor(weights)
    alike = missing < 1
    logs = torch.log1p(-torch.where(alike, missing, 0))
    above = -torch.expm1((w * logs).sum(-1))
    reversed_ = (w * (missing - 1).clamp(min=0)).sum(-1) / sum(weights)
    return torch.where(alike.all(-1), above, 1 + reversed_)

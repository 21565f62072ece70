"""NLPD with its slopes, a few pictures at a time.

Of a block of pictures both images lie together, as (H, 2, pictures, W): a
filter is one product of matrices for their columns, and one for their rows,
and its adjoint the same with the matrices transposed. A library may round
the columns of a product differently, so of two equal pictures the difference
is zero by decree.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from handbook_code._checks import check_pair
from handbook_code._fused import block
from handbook_code._reduce import no_autocast, reduce, widen
from handbook_code.image._pyramid import (
    FLOORS,
    POOLS,
    _double,
    _halve,
    check_luminance,
)
from handbook_code.metric._directions import directions

PLACES = ((1, 0), (0, 1), (0, -1), (-1, 0), (0, -2))  # of the weights in POOLS
TILE, REACH = 32, 3  # rows a product; how far its band may be from straight
Matrices = tuple[Tensor, Tensor]
Step = tuple[Matrices, Matrices]


def nlpd(
    input: Tensor,
    target: Tensor,
    *,
    reduction: str = "mean",
    wanted: tuple[bool, bool],
) -> tuple[Tensor, tuple[Tensor | None, Tensor | None]]:
    check_pair(input=input, target=target)
    check_luminance(input=input)
    dtype, x, y = widen(input, target)
    number, _, height, width = x.shape
    slopes = tuple(x.new_empty(x.shape) if want else None for want in wanted)
    share = 1 / (number if reduction == "mean" else 1)
    many = max(1, block(x) // (height * width))
    steps, losses = _steps(x), []
    with no_autocast(x):
        for start in range(0, number, many):
            some = slice(start, start + many)
            pair = torch.stack([x[some, 0], y[some, 0]]).permute(2, 0, 1, 3)
            pair = pair.contiguous()
            apart = (pair[:, 0] != pair[:, 1]).any(-1).any(0)
            parts = zip(_bands(pair, steps), FLOORS, POOLS, strict=True)
            scales = [_compare(*part, apart, wanted) for part in parts]
            rms, *by_bands = zip(*scales, strict=True)
            losses.append(torch.stack(rms).mean(0))
            for slope, by_band in zip(slopes, by_bands, strict=True):
                if slope is not None:
                    by_pixel = _by_pixels(by_band, steps).transpose(0, 1)
                    torch.mul(by_pixel, share / 6, out=slope[some, 0])
    return reduce(torch.cat(losses), reduction, dtype), slopes


def _steps(image: Tensor) -> list[Step]:
    """For each halving the matrices that do it, and those that double again.

    A linear function is what it makes of unit vectors.
    """
    steps, sizes = [], image.shape[-2:]
    for _ in FLOORS[1:]:
        matrices = {}
        for size in set(sizes):
            unit = torch.eye(size, dtype=image.dtype, device=image.device)
            down = _halve(unit, 0)
            half = unit[: len(down), : len(down)]
            matrices[size] = down, _double(half, 0, unit)
        height, width = (matrices[size] for size in sizes)
        steps.append(tuple(zip(height, width, strict=True)))
        sizes = [len(down) for down, _ in (height, width)]
    return steps


def _bands(pair: Tensor, steps: list[Step]) -> list:
    bands = []
    for down, up in steps:
        low = _filtered(pair, *down)
        bands.append(pair - _filtered(low, *up))
        pair = low
    return [*bands, pair]


def _by_pixels(by_band: Sequence[Tensor], steps: list[Step]) -> Tensor:
    """The slope in x of z = x − U D x and of D x: Dᵀ (by D x − Uᵀ by z)."""
    *by_band, by_low = by_band
    for by_z, (down, up) in reversed([*zip(by_band, steps, strict=True)]):
        by_low = by_low - _filtered(by_z, *(matrix.mT for matrix in up))
        by_low = by_z + _filtered(by_low, *(matrix.mT for matrix in down))
    return by_low


def _compare(
    z: Tensor,
    floor: float,
    pool: Sequence[float],
    apart: Tensor,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Root mean square of u − v, and its slopes in the band of each image.

    u = z / (σ + P ∗ abs(z)) =: z / s, so from a slope g in u follows that in
    z, g / s − sign(z) ⋅ Pᵀ ∗ (g u / s).
    """
    s = _pooled(z.abs(), pool).add_(floor)
    u = z / s
    gap = (u[:, 0] - u[:, 1]).transpose(0, 1) * apart[:, None, None]
    flat = gap.flatten(1)
    toward, root = directions(flat), flat.shape[1] ** 0.5
    pull, slopes = toward.view(gap.shape).transpose(0, 1).contiguous(), []
    for image, (want, sign) in enumerate(zip(wanted, (1, -1), strict=True)):
        slope = None
        if want:
            slope = (pull / s[:, image]).mul_(sign / root)
            back = _pooled(slope * u[:, image], pool, -1)
            slope.addcmul_(z[:, image].sign(), back, value=-1)
        slopes.append(slope)
    return (flat * toward).sum(1) / root, *slopes


def _pooled(size: Tensor, weights: Sequence[float], way: int = 1) -> Tensor:
    """The weighted sum of the neighbours; for way = −1 of the opposite."""
    near = torch.zeros_like(size)
    for weight, place in zip(weights, PLACES, strict=True):
        if weight:
            here, there = near, size
            for dim, step in zip((0, -1), place, strict=True):
                length = size.shape[dim]
                rest, step = max(length - abs(step), 0), way * step
                here = here.narrow(dim, min(max(-step, 0), length), rest)
                there = there.narrow(dim, min(max(step, 0), length), rest)
            here.add_(there, alpha=weight)
    return near


def _filtered(maps: Tensor, down: Tensor, across: Tensor) -> Tensor:
    height, width = len(down), len(across)
    tall = maps.new_empty(height, *maps.shape[1:])
    wide = maps.new_empty(*tall.shape[:-1], width)
    _product(down, maps.view(len(maps), -1), tall.view(height, -1))
    _product(across, tall.view(-1, tall.shape[-1]).mT, wide.view(-1, width).mT)
    return wide


def _product(matrix: Tensor, x: Tensor, out: Tensor) -> None:
    """That of matrices, the first zero but for a band along its diagonal."""
    rows, columns = matrix.shape
    small = max(rows, columns) <= 2 * TILE or x.device.type != "cpu"
    tile = rows if small else TILE
    for top in range(0, rows, tile):
        end = min(top + tile, rows)
        seen = slice(
            max(top * columns // rows - REACH, 0),
            min(end * columns // rows + REACH, columns),
        )
        torch.mm(matrix[top:end, seen], x[seen], out=out[top:end])

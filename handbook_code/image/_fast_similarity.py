"""Similarities of images with their slopes, a few planes at a time.

A plane is one channel of one image. Of a block of planes the sums x + y, the
differences x − y and the squares of both lie together, as maps
(H, 4, planes, W): so one product of matrices filters the columns of them all,
and one the rows.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from handbook_code._checks import check_positive
from handbook_code._fused import block
from handbook_code._reduce import no_autocast, reduce
from handbook_code.image._windows import (
    SIDE,
    SIGMA,
    WANG,
    _weighted,
    _windows,
    check_scales,
    images,
)

TILE = 32  # windows a product; a larger one multiplies more zeros
Windows = tuple[Tensor, Tensor]
Slopes = tuple[Tensor | None, Tensor | None]


def ssim(
    input: Tensor,
    target: Tensor,
    *,
    data_range: float,
    reduction: str = "mean",
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Slopes]:
    check_positive(data_range=data_range)
    dtype, x, y = images(input, target, SIDE)
    at = _windows(x, SIGMA, SIDE)

    def kernel(maps: Tensor, level: Tensor) -> tuple[Tensor, Tensor | None]:
        return _compare(maps, level, at, data_range, wanted)

    return _by_planes(kernel, x, y, dtype, reduction, wanted)


def ms_ssim(
    input: Tensor,
    target: Tensor,
    *,
    data_range: float,
    weights: Sequence[float] = WANG,
    reduction: str = "mean",
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Slopes]:
    check_positive(data_range=data_range)
    check_scales("weights", weights)
    halvings = range(len(weights))
    least = (SIDE - 1) * 2 ** halvings[-1] + 1
    dtype, x, y = images(input, target, least, len(weights))
    # Rounded up, as many pixels are left as if each second were taken.
    every = [_windows(x[..., :: 2**n, :: 2**n], SIGMA, SIDE) for n in halvings]

    def kernel(maps: Tensor, level: Tensor) -> tuple[Tensor, Tensor | None]:
        scales = []
        for at in every:
            if scales:
                maps = _halved(maps)
            bright = level if at is every[-1] else None
            scales.append(_compare(maps, bright, at, data_range, wanted))
        missing, slopes = zip(*scales, strict=True)
        missing = torch.stack(missing, -1)
        loss, coarse = _weighted(missing, weights), None
        if any(wanted):
            pulls = _by_factors(missing, weights).unbind(1)
            for slope, pull in reversed([*zip(slopes, pulls, strict=True)]):
                slope.mul_(pull[:, None])
                if coarse is not None:
                    _spread(coarse, slope)
                coarse = slope
        return loss, coarse

    return _by_planes(kernel, x, y, dtype, reduction, wanted)


def _by_factors(missing: Tensor, weights: Sequence[float]) -> Tensor:
    """The slopes of what ``_weighted`` gives, in 1 − c_j.

    w_j ∏ c^w / c_j, or w_j / Σ w of the negative ones, if there are any.
    """
    w = missing.new_tensor(weights)
    alike = missing < 1
    kept = 1 - torch.where(alike, missing, 0)
    above = (w * kept.log()).sum(-1, keepdim=True).exp() * w / kept
    below = torch.where(alike, 0, w / sum(weights))
    return torch.where(alike.all(-1, keepdim=True), above, below)


def _halved(maps: Tensor) -> Tensor:
    """The maps of the next scale."""
    pair = maps[:, :2]
    for _ in range(2):
        half = pair[::2].clone()
        half[: len(pair) // 2].add_(pair[1::2]).mul_(0.5)
        pair = half.transpose(0, -1)
    maps = maps.new_empty(len(pair), 4, *pair.shape[2:])
    maps[:, :2] = pair
    return _squared(maps)


def _spread(coarse: Tensor, fine: Tensor) -> None:
    """Add to each pixel's slope its share of that of its mean."""
    height, width = len(fine), fine.shape[-1]
    wide = (coarse / 4)[..., None].expand(*coarse.shape, 2)
    wide = wide.flatten(-2)[..., :width]
    if width % 2:
        wide[..., -1].mul_(2)
    fine[::2].add_(wide)
    fine[1::2].add_(wide[: height // 2])
    if height % 2:
        fine[-1].add_(wide[-1])


def _compare(
    maps: Tensor,
    level: Tensor | None,
    at: Windows,
    data_range: float,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None]:
    """What is missing to one in each plane, and half its slope.

    Without a level contrast alone is compared, and not brightness.
    """
    mean, variance = _moments(maps, at)
    unlike, unlike_r = _lack(variance, 0.03 * data_range)
    missing = unlike
    if level is not None:
        light = mean + level
        dark, dark_r = _lack(light.square(), 0.01 * data_range)
        missing = (dark + unlike).addcmul_(dark, unlike, value=-1)
    loss = missing.mean((0, 2))
    if not any(wanted):
        return loss, None
    fields = mean.new_zeros(len(mean), 4, *mean.shape[2:])
    by_mean, by_variance = fields.split(2, dim=1)
    pull = torch.ones_like(unlike)
    if level is not None:
        _by_squares(dark, dark_r, 1 - unlike, out=by_mean).mul_(light)
        pull.sub_(dark)
    _by_squares(unlike, unlike_r, pull, out=by_variance)
    slope = _by_pixels(maps, at, mean, fields, not wanted[1])
    return loss, slope.mul_(len(loss) / missing.numel())


def _lack(squares: Tensor, root: float) -> tuple[Tensor, Tensor]:
    """f = q / ((p + q) / 2 + C) = 2 q r, and r, for a pair p, q."""
    p, q = squares.unbind(1)
    r = (p + q).add_(2 * root**2).reciprocal_()
    return (q * r).mul_(2), r


def _by_squares(f: Tensor, r: Tensor, pull: Tensor, out: Tensor) -> Tensor:
    """The slopes of f, −f r in p and (2 − f) r in q, times a pull."""
    by_p, by_q = out.unbind(1)
    pull.mul_(r).neg_()
    torch.mul(f, pull, out=by_p)
    torch.sub(by_p, pull, alpha=2, out=by_q)
    return out


def _moments(maps: Tensor, at: Windows) -> tuple[Tensor, Tensor]:
    """Mean and variance of sum and difference in every window."""
    mean, variance = _means(maps, *at).split(2, dim=1)
    return mean, variance.addcmul_(mean, mean, value=-1)


def _by_pixels(
    maps: Tensor, at: Windows, mean: Tensor, fields: Tensor, alone: bool
) -> Tensor:
    """Half the slope in pixels z of what depends on squares of windows.

    The fields are half the slope in μ, and the slope in σ² = G ∗ z² − μ².
    It is Gᵀ ∗ (by μ − μ ⋅ by σ²) + z ⋅ (Gᵀ ∗ by σ²), for sums and for
    differences; for the input alone both are one.
    """
    by_mean, by_variance = fields.split(2, dim=1)
    by_mean.addcmul_(mean, by_variance, value=-1)
    if alone:
        by_mean[:, 1].add_(by_mean[:, 0])
        fields = fields[:, 1:]
    back = _means(fields, *(matrix.mT for matrix in at))
    by_pixel, by_square = back[:, :-2], back[:, -2:]
    if not alone:
        return by_pixel.addcmul_(maps[:, :2], by_square)
    for z, by_z in zip(
        maps[:, :2].split(1, 1), by_square.split(1, 1), strict=True
    ):
        by_pixel.addcmul_(z, by_z)
    return by_pixel


def _means(maps: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """The weighted mean of every window; transposed, back to the pixels."""
    height, width = len(down), len(across)
    tall = maps.new_empty(height, *maps.shape[1:])
    means = maps.new_empty(*tall.shape[:-1], width)
    _banded(down, maps.view(len(maps), -1), tall.view(height, -1))
    _banded(across, tall.view(-1, tall.shape[-1]).mT, means.view(-1, width).mT)
    return means


def _banded(matrix: Tensor, x: Tensor, out: Tensor) -> None:
    """Their product, where the matrix is zero but for a band."""
    rows, columns = matrix.shape
    before, after = max(rows - columns, 0), max(columns - rows, 0)
    small = columns <= 2 * TILE or x.device.type != "cpu"
    tile = rows if small else TILE
    for top in range(0, rows, tile):
        end = min(top + tile, rows)
        seen = slice(max(top - before, 0), min(end + after, columns))
        torch.mm(matrix[top:end, seen], x[seen], out=out[top:end])


def _by_planes(
    kernel: Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]],
    x: Tensor,
    y: Tensor,
    dtype: torch.dtype,
    reduction: str,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Slopes]:
    """Losses of images, each the mean of its planes', and the slopes.

    The kernel is given maps, and the level of sums and differences. It gives
    the losses of the planes, and half their slopes in sums and differences;
    if it is the input's alone that is wanted, this one.
    """
    batch, channels, height, width = x.shape
    share = 1 / (channels * (batch if reduction == "mean" else 1))
    slopes = [x.new_empty(x.shape) for want in wanted if want]
    signs = [sign for sign, want in zip((1, -1), wanted, strict=True) if want]
    many = max(1, 2 * block(x) // (height * width))
    parts = (z.reshape(-1, height, width).split(many) for z in (x, y, *slopes))
    losses = []
    with no_autocast(x):
        for a, b, *places in zip(*parts, strict=True):
            loss, slope = kernel(*_centred(a, b))
            losses.append(loss)
            for place, sign in zip(places, signs, strict=True):
                out, (first, *gap) = place.transpose(0, 1), slope.unbind(1)
                torch.mul(first, 2 * share, out=out)
                for by_gap in gap:
                    out.add_(by_gap, alpha=2 * share * sign)
    loss = torch.cat(losses).view(batch, channels).mean(1)
    slopes = iter(slopes)
    slopes = tuple(next(slopes) if want else None for want in wanted)
    return reduce(loss, reduction, dtype), slopes


def _centred(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The maps of planes less a constant, and its sum and difference."""
    a, b = (z.mean((1, 2), keepdim=True) for z in (x, y))
    x, y = ((z - c).transpose(0, 1) for z, c in ((x, a), (y, b)))
    maps = x.new_empty(len(x), 4, *x.shape[1:])
    torch.add(x, y, out=maps[:, 0])
    torch.sub(x, y, out=maps[:, 1])
    return _squared(maps), torch.stack([a + b, a - b]).view(1, 2, -1, 1)


def _squared(maps: Tensor) -> Tensor:
    """Fill in the squares."""
    torch.square(maps[:, :2], out=maps[:, 2:])
    return maps

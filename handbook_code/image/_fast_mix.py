"""MS-SSIM with absolute error and its slopes, a few planes at a time.

The maps are those of ``_fast_similarity``, filtered by each Gaussian.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from handbook_code._checks import check_positive, check_unit_interval
from handbook_code._fused import block
from handbook_code._reduce import reduce
from handbook_code.image._fast_similarity import (
    Slopes,
    Windows,
    _by_pixels,
    _by_planes,
    _by_squares,
    _lack,
    _moments,
)
from handbook_code.image._windows import ZHAO, _windows, check_scales, images


def ms_ssim_l1(
    input: Tensor,
    target: Tensor,
    *,
    data_range: float,
    alpha: float = 0.84,
    sigmas: Sequence[float] = ZHAO,
    reduction: str = "mean",
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Slopes]:
    check_positive(data_range=data_range)
    check_unit_interval(alpha=alpha)
    check_scales("sigmas", sigmas)
    side = 2 * int(2 * sigmas[-1]) + 1
    dtype, x, y = images(input, target, side)
    every = [_windows(x, sigma, side) for sigma in sigmas]

    def kernel(maps: Tensor, level: Tensor) -> tuple[Tensor, Tensor | None]:
        return _compare(maps, level, every, data_range, alpha, wanted)

    missing, slopes = _by_planes(kernel, x, y, x.dtype, reduction, wanted)
    share = (1 - alpha) / data_range
    error = _absolute(x, y, every[-1], share, reduction, slopes)
    return (missing + error).to(dtype), slopes


def _compare(
    maps: Tensor,
    level: Tensor,
    every: Sequence[Windows],
    data_range: float,
    alpha: float,
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None]:
    """α (1 − l ∏ c_j) of each plane, and half its slope.

    That in 1 − c_j is α times the factors before c_j and those after it.
    """
    missing, before, scales = 0.0, alpha, []
    for at in every:
        mean, variance = _moments(maps, at)
        unlike, root = _lack(variance, 0.03 * data_range)
        scales.append((at, mean, unlike, root, before))
        missing = _either(missing, unlike)
        before = (1 - unlike).mul_(before)
    light = mean + level
    dark, dark_r = _lack(light.square(), 0.01 * data_range)
    loss = alpha * _either(missing, dark).mean((0, 2))
    if not any(wanted):
        return loss, None
    by_light = torch.empty_like(light)
    _by_squares(dark, dark_r, before, out=by_light).mul_(light)
    slope, after = 0.0, 1 - dark
    for at, mean, unlike, root, before in reversed(scales):
        fields = mean.new_zeros(len(mean), 4, *mean.shape[2:])
        if at is every[-1]:
            fields[:, :2] = by_light
        _by_squares(unlike, root, before * after, out=fields[:, 2:])
        slope = _by_pixels(maps, at, mean, fields, not wanted[1]).add_(slope)
        after.mul_(1 - unlike)
    return loss, slope.mul_(len(loss) / dark.numel())


def _either(a: Tensor | float, b: Tensor) -> Tensor:
    """1 − (1 − a)(1 − b), without the cancellation."""
    return (a + b).sub_(a * b)


def _absolute(
    x: Tensor,
    y: Tensor,
    at: Windows,
    share: float,
    reduction: str,
    slopes: Slopes,
) -> Tensor:
    """The share of absolute errors; its slopes are added to those.

    The mean over windows takes each pixel as often as they show it.
    """
    batch, channels, height, width = x.shape
    down, across = (matrix.mean(0) for matrix in at)
    weight = torch.outer(down, across) * (share / channels)
    each = 1 / batch if reduction == "mean" else 1
    many = max(1, 2 * block(x) // (channels * height * width))
    errors = []
    for start in range(0, batch, many):
        some = slice(start, start + many)
        gap = x[some] - y[some]
        errors.append((gap.abs() * weight).sum((1, 2, 3)))
        pull = gap.sign_().mul_(weight)
        for slope, sign in zip(slopes, (each, -each), strict=True):
            if slope is not None:
                slope[some].add_(pull, alpha=sign)
    return reduce(torch.cat(errors), reduction, x.dtype)

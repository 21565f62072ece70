"""SSIM and its slope, in one kernel: no map is written to memory.

A program takes a square of SIDE pixels of one plane. Windows and the slopes
that come back from them are products with a banded matrix, on both sides;
at each edge ten windows and ten pixels are incomplete, which the neighbour
has whole.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn.functional import pad

from handbook_code._triton.arithmetic import cdiv
from handbook_code.image._windows import SIDE as WINDOW
from handbook_code.image._windows import SIGMA, _windows

SIDE = 64
REACH = WINDOW - 1
STEP = SIDE - 2 * REACH


def ssim(
    input: Tensor,
    target: Tensor,
    *,
    data_range: float = 1.0,
    reduction: str = "mean",
) -> tuple[Tensor, tuple[Tensor]]:
    """Of contiguous float32 images (N, C, H, W), of 11 × 11 at least.

    With s = x + y and d = x − y, their windows' means m and variances v, and
    f(p, q, C) = 2 q / (p + q + 2 C), what is missing to one is

    L = 1 − (1 − f(mₛ², m_d², C₁)) (1 − f(vₛ, v_d, C₂))

    df = r ((2 − f) dq − f dp),  r = 1 / (p + q + 2 C)

    and a slope b in v = G ∗ z² − m² is 2 z (Gᵀ ∗ b) in z, and −2 m b in m.
    """
    images, channels, height, width = input.shape
    windows = (height - REACH) * (width - REACH) * channels
    share = 1 / (windows * images if reduction == "mean" else windows)
    band, _ = _windows(input.new_empty(SIDE, SIDE), SIGMA, WINDOW)
    band = pad(band, (0, 0, 0, REACH)).contiguous()
    tiles = images * channels, cdiv(height, STEP), cdiv(width, STEP)
    sums, slope = input.new_empty(tiles), torch.empty_like(input)
    _ssim[tiles](
        input, target, band, slope, sums, height, width,
        2 * (0.01 * data_range) ** 2, 2 * (0.03 * data_range) ** 2, 2 * share,
        SIDE=SIDE, REACH=REACH, PRECISION="tf32x3",
    )  # fmt: skip
    return sums.sum() * share, (slope,)


@triton.jit
def _between(a, z, b, PRECISION: tl.constexpr):
    """The product of three matrices."""
    return tl.dot(
        tl.dot(a, z, input_precision=PRECISION), b, input_precision=PRECISION
    )


@triton.jit
def _ssim(
    input, target, band, slope, sums, height, width, dark, flat, share,
    SIDE: tl.constexpr, REACH: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    plane, down, across = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    local = tl.arange(0, SIDE)
    row = down * (SIDE - 2 * REACH) - REACH + local
    column = across * (SIDE - 2 * REACH) - REACH + local
    inside = ((row >= 0) & (row < height))[:, None]
    inside = inside & ((column >= 0) & (column < width))[None, :]
    place = row[:, None] * width + column[None, :]
    place += plane.to(tl.int64) * height * width
    x = tl.load(input + place, mask=inside, other=0)
    y = tl.load(target + place, mask=inside, other=0)
    # Squares of what is far from zero would lose the digits of a variance.
    count = tl.sum(inside.to(tl.float32))
    a, b = tl.sum(x) / count, tl.sum(y) / count
    x, y = tl.where(inside, x - a, 0), tl.where(inside, y - b, 0)
    s, d = x + y, x - y
    g = tl.load(band + local[:, None] * SIDE + local[None, :])
    back = tl.trans(g)
    mean_s = _between(g, s, back, PRECISION)
    mean_d = _between(g, d, back, PRECISION)
    light_s, light_d = mean_s + (a + b), mean_d + (a - b)
    var_s = _between(g, s * s, back, PRECISION) - mean_s * mean_s
    var_d = _between(g, d * d, back, PRECISION) - mean_d * mean_d
    r = 1 / (var_s + var_d + flat)
    f = 2 * var_d * r
    light_r = 1 / (light_s * light_s + light_d * light_d + dark)
    light_f = 2 * light_d * light_d * light_r
    whole = (row >= 0) & (row < height - REACH) & (local < SIDE - REACH)
    wide = (column >= 0) & (column < width - REACH) & (local < SIDE - REACH)
    windows = whole[:, None] & wide[None, :]
    # Half the slopes: in variances, and in means by both ways.
    pull, light_pull = (1 - light_f) * r, (1 - f) * light_r
    by_s = tl.where(windows, -f * pull, 0)
    by_d = tl.where(windows, (2 - f) * pull, 0)
    by_mean = (2 - light_f) * light_d - light_f * light_s
    by_mean = by_mean * light_pull - mean_s * by_s - mean_d * by_d
    by_mean = tl.where(windows, by_mean, 0)
    by_x = _between(back, by_mean, g, PRECISION)
    by_x += s * _between(back, by_s, g, PRECISION)
    by_x += d * _between(back, by_d, g, PRECISION)
    own = (local >= REACH) & (local < SIDE - REACH)
    own = own[:, None] & own[None, :]
    tl.store(slope + place, share * by_x, mask=inside & own)
    lost = light_f + f - light_f * f
    lost = tl.sum(tl.where(windows & own, lost, 0))
    tiles = tl.num_programs(1) * tl.num_programs(2)
    tile = plane * tiles + down * tl.num_programs(2) + across
    tl.store(sums + tile, lost)

"""Sinkhorn's soft minimum over a cloud of points: no pair is written down."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from handbook_code._triton.arithmetic import cdiv, finite, power
from handbook_code.generative._fast_transport import _range, _schedule

ROWS, COLUMNS = 64, 128


def soft_minimum(
    x: Tensor, y: Tensor, g: Tensor, log_b: Tensor, t: Tensor
) -> Tensor:
    """−t log Σⱼ bⱼ exp((gⱼ − ‖xᵢ − yⱼ‖²) / t), for each i."""
    return -t * _gather(x, y, g, log_b, t, False)[0]


def barycentre(
    x: Tensor, y: Tensor, g: Tensor, log_b: Tensor, t: Tensor
) -> tuple[Tensor, Tensor]:
    """The same, and Σⱼ pᵢⱼ yⱼ, with p the part of j in the sum of i."""
    logs, centre = _gather(x, y, g, log_b, t, True)
    return -t * logs, centre


def transport(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: float,
    iterations: int,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """As ``_transport`` of ``handbook_code.generative._fast_transport``.

    πᵢⱼ = aᵢ bⱼ exp((fᵢ + gⱼ − Cᵢⱼ) / ε). The potential f comes last, so
    each row of π has the sum aᵢ, and each column bⱼ exp((gⱼ − g′ⱼ) / ε), where
    g′ is the soft minimum of C − f. With the barycentres m of rows and m′ of
    columns, dxᵢ = 2 aᵢ (xᵢ − mᵢ), and dyⱼ likewise, times the column's sum
    for bⱼ.
    """
    if len(x) < len(y):
        value, slopes = transport(y, x, b, a, epsilon, iterations)
        return value, tuple(slopes[k] for k in (1, 0, 3, 2))
    log_a, log_b = a.log(), b.log()
    f, g = torch.zeros_like(a), torch.zeros_like(b)
    _, spread = _range(x, y, epsilon)
    for t, half in _schedule(spread, epsilon, iterations):
        t = t if isinstance(t, Tensor) else torch.full_like(spread, t)
        to_x = soft_minimum(x, y, g, log_b, t)
        if half:
            to_y = soft_minimum(y, x, f, log_a, t)
            f, g = (f + to_x) / 2, (g + to_y) / 2
        else:
            f, g = to_x, soft_minimum(y, x, to_x, log_a, t)
    end = torch.full_like(spread, epsilon)
    f, centre = barycentre(x, y, g, log_b, end)
    ideal, other = barycentre(y, x, f, log_a, end)
    arrived = ((g - ideal) / epsilon).exp()
    value = (a * f).sum() + (b * g).sum()
    in_x = 2 * a[:, None] * (x - centre)
    in_y = 2 * (b * arrived)[:, None] * (y - other)
    return value, (in_x, in_y, f, g - epsilon * arrived)


def _gather(
    x: Tensor, y: Tensor, g: Tensor, log_b: Tensor, t: Tensor, mean: bool
) -> tuple[Tensor, Tensor]:
    (rows, width), number = x.shape, len(y)
    x, y, heights = x.contiguous(), y.contiguous(), g / t + log_b
    logs, centre = x.new_empty(rows), torch.empty_like(x)
    _soft_minimum[(cdiv(rows, ROWS),)](
        x, y, heights, t, logs, centre, rows, number, width,
        MEAN=mean, WIDTH=power(width), ROWS=ROWS, COLUMNS=COLUMNS,
    )  # fmt: skip
    return logs, centre


@triton.jit
def _soft_minimum(
    x, y, heights, t, logs, centre, rows, number, width,
    MEAN: tl.constexpr, WIDTH: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    d = tl.arange(0, WIDTH)
    per_t = 1 / tl.load(t)
    top = tl.full((ROWS,), -float("inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    gathered = tl.zeros((ROWS, WIDTH), tl.float32)
    for first in range(0, number, COLUMNS):
        j = first + tl.arange(0, COLUMNS)
        # Differences keep the digits that a product of far points would lose.
        cost = tl.zeros((ROWS, COLUMNS), tl.float32)
        for axis in range(0, width):
            u = tl.load(x + i * width + axis, mask=i < rows, other=0)
            v = tl.load(y + j * width + axis, mask=j < number, other=0)
            apart = u[:, None] - v[None, :]
            cost += apart * apart
        h = tl.load(heights + j, mask=j < number, other=-float("inf"))
        exponent = h[None, :] - cost * per_t
        higher = tl.maximum(top, tl.max(exponent, 1))
        shift = finite(higher)
        e = tl.exp(exponent - shift[:, None])
        kept = tl.exp(top - shift)
        total = total * kept + tl.sum(e, 1)
        top = higher
        if MEAN:
            inside = (j[:, None] < number) & (d[None, :] < width)
            place = y + j[:, None] * width + d[None, :]
            points = tl.load(place, mask=inside, other=0)
            gathered *= kept[:, None]
            gathered += tl.dot(e, points, input_precision="ieee")
    tl.store(logs + i, top + tl.log(total), mask=i < rows)
    if MEAN:
        tl.store(
            centre + i[:, None] * width + d[None, :],
            gathered / total[:, None],
            mask=(i[:, None] < rows) & (d[None, :] < width),
        )

"""Cross-entropy among candidates, with no similarity written to memory.

One kernel goes through the candidates for each block of rows, for loss and
slopes in x; another through the rows for each block of candidates.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from handbook_code._triton.arithmetic import cdiv, finite, power, softplus


def line_up(
    x: Tensor,
    candidates: Tensor,
    own: Tensor,
    place: Tensor | None,
    scale: Tensor | None = None,
    wanted: tuple[bool, bool] = (True, True),
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """As ``handbook_code.metric._line_up.line_up``, in float32.

    Lᵢ = log(1 + Σⱼ exp(lᵢⱼ − oᵢ)),  lᵢⱼ = xᵢ·cⱼ γⱼ,  j ≠ placeᵢ
    dLᵢ = Σⱼ wᵢⱼ (dlᵢⱼ − doᵢ),  wᵢⱼ = exp(lᵢⱼ − oᵢ − Lᵢ)

    While the sum of exponentials is gathered, so is that of exponentials
    times candidates; both shrink when a larger exponent is met.
    """
    (rows, width), number = x.shape, len(candidates)
    x, candidates = x.contiguous(), candidates.contiguous()
    own = own.contiguous()
    loss, pull = torch.empty_like(own), torch.empty_like(own)
    in_x = torch.empty_like(x)
    tall, wide = (64, 64) if width <= 128 else (32, 32)
    shape = {
        "PLACE": place is not None,
        "SCALE": scale is not None,
        "WIDTH": power(width),
        "ROWS": tall,
        "COLUMNS": wide,
        "PRECISION": _precision(),
    }
    # A kernel that has no place or scale does not read what stands for it.
    place = own if place is None else place
    scale = own if scale is None else scale
    given = x, candidates, own, place, scale
    sizes = rows, number, width
    _by_rows[(cdiv(rows, tall),)](*given, loss, pull, in_x, *sizes, **shape)
    if not wanted[1]:
        return loss, pull, in_x, None
    in_c = torch.empty_like(candidates)
    _by_candidates[(cdiv(number, wide),)](*given, loss, in_c, *sizes, **shape)
    return loss, pull, in_x, in_c


def _precision() -> str:
    """As the user has it for products of matrices by torch."""
    exact = torch.get_float32_matmul_precision() == "highest"
    return "ieee" if exact else "tf32"


@triton.jit
def _rows_of(x, at, count, width, WIDTH: tl.constexpr):
    d = tl.arange(0, WIDTH)
    inside = (at[:, None] < count) & (d[None, :] < width)
    place = x + at[:, None].to(tl.int64) * width + d[None, :]
    return tl.load(place, mask=inside, other=0)


@triton.jit
def _by_rows(
    x, candidates, own, place, scale, loss, pull, in_x,
    rows, number, width,
    PLACE: tl.constexpr, SCALE: tl.constexpr, WIDTH: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    a = _rows_of(x, i, rows, width, WIDTH)
    o = tl.load(own + i, mask=i < rows, other=0)
    top = tl.full((ROWS,), -float("inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    gathered = tl.zeros((ROWS, WIDTH), tl.float32)
    if PLACE:
        mine = tl.load(place + i, mask=i < rows, other=-1)
    for first in range(0, number, COLUMNS):
        j = first + tl.arange(0, COLUMNS)
        c = _rows_of(candidates, j, number, width, WIDTH)
        logit = tl.dot(a, tl.trans(c), input_precision=PRECISION)
        if SCALE:
            g = tl.load(scale + j, mask=j < number, other=0)
            logit *= g[None, :]
        seen = (j < number)[None, :]
        if PLACE:
            seen = seen & (j[None, :] != mine[:, None])
        logit = tl.where(seen, logit, -float("inf"))
        higher = tl.maximum(top, tl.max(logit, 1))
        shift = finite(higher)
        e = tl.exp(logit - shift[:, None])
        kept = tl.exp(top - shift)
        total = total * kept + tl.sum(e, 1)
        if SCALE:
            e *= g[None, :]
        gathered *= kept[:, None]
        gathered += tl.dot(e, c, input_precision=PRECISION)
        top = higher
    gap = top + tl.log(total) - o
    each = softplus(gap)
    weight = tl.exp(top - o - each)
    tl.store(loss + i, each, mask=i < rows)
    tl.store(pull + i, tl.sigmoid(gap), mask=i < rows)
    d = tl.arange(0, WIDTH)
    tl.store(
        in_x + i[:, None].to(tl.int64) * width + d[None, :],
        gathered * weight[:, None],
        mask=(i[:, None] < rows) & (d[None, :] < width),
    )


@triton.jit
def _by_candidates(
    x, candidates, own, place, scale, loss, in_c,
    rows, number, width,
    PLACE: tl.constexpr, SCALE: tl.constexpr, WIDTH: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    j = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    c = _rows_of(candidates, j, number, width, WIDTH)
    gathered = tl.zeros((COLUMNS, WIDTH), tl.float32)
    if SCALE:
        g = tl.load(scale + j, mask=j < number, other=0)
    for first in range(0, rows, ROWS):
        i = first + tl.arange(0, ROWS)
        a = _rows_of(x, i, rows, width, WIDTH)
        least = tl.load(own + i, mask=i < rows, other=0)
        least += tl.load(loss + i, mask=i < rows, other=0)
        logit = tl.dot(c, tl.trans(a), input_precision=PRECISION)
        if SCALE:
            logit *= g[:, None]
        seen = (i < rows)[None, :]
        if PLACE:
            mine = tl.load(place + i, mask=i < rows, other=-1)
            seen = seen & (j[:, None] != mine[None, :])
        logit = tl.where(seen, logit - least[None, :], -float("inf"))
        gathered += tl.dot(tl.exp(logit), a, input_precision=PRECISION)
    d = tl.arange(0, WIDTH)
    tl.store(
        in_c + j[:, None].to(tl.int64) * width + d[None, :],
        gathered,
        mask=(j[:, None] < number) & (d[None, :] < width),
    )

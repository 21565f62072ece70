"""Entropic transport between clouds whose points lie on several processes.

The points of y go round with their potentials; every rank keeps its own of x.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from handbook_code._across import Ranks, first_only
from handbook_code._fused import block
from handbook_code._reduce import no_autocast
from handbook_code.generative._clouds import check_clouds
from handbook_code.generative._fast_transport import _exponents, _schedule


def entropic(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    cost: Tensor | None = None,
    iterations: int = 100,
    ranks: Ranks,
) -> Tensor:
    if cost is not None:
        raise ValueError(
            "cost: expected None over several processes, got a tensor"
        )
    dtype, of_x, of_y = _clouds(x, y, epsilon, a, b, iterations, ranks)
    value = _value(of_x, of_y, epsilon, iterations, ranks)
    return ranks.sum(value).to(dtype)


def divergence(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    a: Tensor | None = None,
    b: Tensor | None = None,
    iterations: int = 100,
    ranks: Ranks,
) -> Tensor:
    dtype, of_x, of_y = _clouds(x, y, epsilon, a, b, iterations, ranks)
    between, within_x, within_y = (
        _value(*clouds, epsilon, iterations, ranks)
        for clouds in ((of_x, of_y), (of_x, of_x), (of_y, of_y))
    )
    return ranks.sum(between - (within_x + within_y) / 2).to(dtype)


class _Cloud(NamedTuple):
    name: str  # of the argument
    points: Tensor
    weights: Tensor


def _clouds(
    x: Tensor,
    y: Tensor,
    epsilon: float,
    a: Tensor | None,
    b: Tensor | None,
    iterations: int,
    ranks: Ranks,
) -> tuple[torch.dtype, _Cloud, _Cloud]:
    """The weights of both are of sum 1 over all ranks."""
    dtype, x, y, *_ = check_clouds(x, y, epsilon, a, b, None, iterations)
    ranks.agree()
    clouds = []
    for name, points, given in (("x", x, a), ("y", y, b)):
        if given is None:
            count = max(sum(ranks.lengths[name]), 1)
            weights = points.new_ones(len(points)) / count
        else:
            weights = given.to(points.dtype)
            weights = weights / ranks.sum(weights.sum())
        clouds.append(_Cloud(name, points, weights))
    return dtype, *clouds


def _value(
    x: _Cloud, y: _Cloud, epsilon: float, iterations: int, ranks: Ranks
) -> Tensor:
    """This rank's part of the dual value: the sum over ranks is all of it."""
    many, few = (sum(ranks.lengths[cloud.name]) for cloud in (x, y))
    if many < few:
        x, y, many, few = y, x, few, many
    if not few:
        return sum(t.sum() * 0 for cloud in (x, y) for t in cloud[1:])
    return _Transport.apply(
        *x[1:], *y[1:], (x.name, y.name), epsilon, iterations, ranks
    )


class _Transport(torch.autograd.Function):
    """dC = π, whatever the potentials do: there the dual is flat."""

    @staticmethod
    def forward(ctx, x, a, y, b, names, epsilon, iterations, ranks):
        with no_autocast(x):
            value, slopes = _solve(
                x, a, y, b, names, epsilon, iterations, ranks
            )
        ctx.save_for_backward(*slopes)
        return value

    @staticmethod
    @first_only
    def backward(ctx, pull):
        return *(pull * slope for slope in ctx.saved_tensors), *[None] * 4


def _solve(
    x: Tensor,
    a: Tensor,
    y: Tensor,
    b: Tensor,
    names: tuple[str, str],
    epsilon: float,
    iterations: int,
    ranks: Ranks,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    count = sum(sum(ranks.lengths[name]) for name in names)
    middle = ranks.sum(x.sum(0) + y.sum(0)) / count
    x, y = x - middle, y - middle
    spread = _spread(x, y, names, epsilon, ranks)
    minima = partial(_soft_minima, (x, a.log()), (y, b.log()), names[1], ranks)
    f, g = torch.zeros_like(a), torch.zeros_like(b)
    for t, half in _schedule(spread, epsilon, iterations):
        to_x, to_y = minima(f, g, t, True, half)
        if half:
            f, g = (f + to_x) / 2, (g + to_y) / 2
        else:
            f, (_, g) = to_x, minima(to_x, g, t, False, True)
    rows = torch.zeros_like(f)

    def sum_up(source: int, y: Tensor, g: Tensor, b: Tensor) -> None:
        for some, e in _plan(x, f, y, g, epsilon):
            rows[some] += e @ b

    ranks.tour(names[1], sum_up, y, g, b)
    in_x = torch.zeros_like(x)

    def push(source: int, y: Tensor, g: Tensor, b: Tensor) -> Tensor:
        """π/b of each column: its sum, and its sum with the points of x."""
        arrives = y.new_zeros(len(y), 1 + y.shape[1])
        for some, e in _plan(x, f, y, g, epsilon):
            share = (a[some] / rows[some])[:, None]
            in_x[some] += e @ (b[:, None] * y) * share
            sent = torch.cat([share, share * x[some]], 1)
            arrives.addmm_(e.T, sent)
        return arrives

    arrives = ranks.tour(names[1], push, y, g, b)
    arrived, of_x = arrives[:, :1], arrives[:, 1:]
    f = f - epsilon * rows.log()
    in_x = 2 * (a[:, None] * x - in_x)
    in_y = 2 * b[:, None] * (arrived * y - of_x)
    value = (a * f).sum() + (b * g).sum()
    return value, (in_x, f, in_y, g - epsilon * arrived[:, 0])


def _soft_minima(
    x: tuple[Tensor, Tensor],
    y: tuple[Tensor, Tensor],
    name: str,
    ranks: Ranks,
    f: Tensor,
    g: Tensor,
    t: Tensor | float,
    wants_x: bool,
    wants_y: bool,
) -> tuple[Tensor, Tensor | None]:
    """Of C − g over all y, for each x, and of C − f over all x, for each y.

    Points come with the logarithms of their weights.
    """
    (x, log_a), (y, log_b) = x, y
    to_x = torch.full_like(f, -math.inf)

    def visit(source: int, y: Tensor, g: Tensor, log_b: Tensor):
        to_y = torch.full_like(g, -math.inf)
        zero_f, zero_g = torch.zeros_like(f), torch.zeros_like(g)
        for some, e in _blocks(x, zero_f, y, zero_g, t):
            if wants_x:
                from_y = (e + (g / t + log_b)).logsumexp(1)
                torch.logaddexp(to_x[some], from_y, out=to_x[some])
            if wants_y:
                from_x = e.add_((f[some] / t + log_a[some])[:, None])
                torch.logaddexp(to_y, from_x.logsumexp(0), out=to_y)
        return to_y if wants_y else None

    to_y = ranks.tour(name, visit, y, g, log_b, merge=torch.logaddexp)
    return -t * to_x, -t * to_y if wants_y else None


def _spread(
    x: Tensor,
    y: Tensor,
    names: tuple[str, str],
    epsilon: float,
    ranks: Ranks,
) -> Tensor:
    """The largest cost of all less the least; at least ε."""
    ends = x.new_full((2,), -math.inf)

    def visit(source: int, y: Tensor) -> None:
        zeros = x.new_zeros(len(x)), x.new_zeros(len(y))
        for _, e in _blocks(x, zeros[0], y, zeros[1], 1.0):
            torch.maximum(ends, torch.stack([e.amax(), -e.amin()]), out=ends)

    ranks.tour(names[1], visit, y)
    return ranks.max(ends).sum().clamp(min=epsilon)


def _plan(
    x: Tensor, f: Tensor, y: Tensor, g: Tensor, epsilon: float
) -> Iterator[tuple[slice, Tensor]]:
    for some, e in _blocks(x, f, y, g, epsilon):
        # Only between points of no weight could it be larger than exp(80).
        yield some, e.clamp_(max=80).exp_()


def _blocks(
    x: Tensor, f: Tensor, y: Tensor, g: Tensor, t: Tensor | float
) -> Iterator[tuple[slice, Tensor]]:
    """Some rows at a time of (f + g − C) / t."""
    if not len(y):
        return
    left, right = _exponents(x, y, f, g, t)
    rows = max(1, 4 * block(x) // len(y))
    for i in range(0, len(x), rows):
        some = slice(i, i + rows)
        yield some, left[some] @ right

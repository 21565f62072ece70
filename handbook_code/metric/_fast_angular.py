"""Angular margins with their slopes, by blocks of the cosines.

``road`` is what to do with the margin, if not ``_margin``.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from handbook_code._checks import (
    check_count,
    check_nonnegative,
    check_positive,
)
from handbook_code._fused import block
from handbook_code._reduce import reduce
from handbook_code.metric._classes import (
    check_classes,
    check_radians,
    usual,
)
from handbook_code.metric._directions import directions, pull_back
from handbook_code.metric._line_up import line_up

Slopes = tuple[Tensor, tuple[Tensor | None, Tensor | None]]


def sphereface(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    m: int = 4,
    blend: float = 0.0,
    reduction: str = "mean",
    wanted: tuple[bool, bool] = (True, True),
    road: Callable[..., Any] | None = None,
) -> Slopes:
    check_count(m=m)
    check_nonnegative(blend=blend)

    def target(x: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        theta, in_u, in_v = _angle(u, v)
        turns = (m * theta / math.pi).floor()
        sign = 1 - 2 * (turns % 2)
        psi = sign * (m * theta).cos() - 2 * turns
        length = (x * u).sum(-1, keepdim=True)
        bend = -m * length * sign * (m * theta).sin()
        own = blend * (x * v).sum(-1, keepdim=True) + length * psi
        in_x = blend * v + psi * u + pull_back(bend * in_u, x, u)
        in_v = blend * x + bend * in_v
        return tuple(a / (1 + blend) for a in (own, in_x, in_v))

    road = road or _margin
    return road(target, None, embeddings, centers, labels, reduction, wanted)


def cosface(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    s: float = 64.0,
    m: float = 0.35,
    reduction: str = "mean",
    wanted: tuple[bool, bool] = (True, True),
    road: Callable[..., Any] | None = None,
) -> Slopes:
    check_positive(s=s)
    check_nonnegative(m=m)

    def target(x: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        return (u * v).sum(-1, keepdim=True) - m, v, u

    road = road or _margin
    return road(target, s, embeddings, centers, labels, reduction, wanted)


def arcface(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    s: float = 64.0,
    m: float = 0.5,
    reduction: str = "mean",
    wanted: tuple[bool, bool] = (True, True),
    road: Callable[..., Any] | None = None,
) -> Slopes:
    check_positive(s=s)
    check_radians(m)

    def target(x: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        theta, in_u, in_v = _angle(u, v)
        angle = theta + m
        within = angle <= math.pi
        own = torch.where(within, angle.cos(), -2 - angle.cos())
        bend = torch.where(within, -angle.sin(), angle.sin())
        return own, bend * in_u, bend * in_v

    road = road or _margin
    return road(target, s, embeddings, centers, labels, reduction, wanted)


def adaface(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    s: float = 64.0,
    m: float = 0.4,
    h: float = 0.333,
    norm_mean: float | Tensor | None = None,
    norm_std: float | Tensor | None = None,
    reduction: str = "mean",
    wanted: tuple[bool, bool] = (True, True),
    road: Callable[..., Any] | None = None,
) -> Slopes:
    check_positive(s=s)
    check_nonnegative(h=h)
    check_radians(m)

    def target(x: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, ...]:
        theta, in_u, in_v = _angle(u, v)
        lengths = (x * u).sum(-1, keepdim=True)
        mean, std = usual(lengths, norm_mean=norm_mean, norm_std=norm_std)
        z = (h * (lengths - mean) / std).clamp(-1, 1)
        angle = (theta - m * z).clamp(0, math.pi)
        bend = -angle.sin()  # at 0 and π, where it was clipped, none
        return angle.cos() - (m * z + m), bend * in_u, bend * in_v

    road = road or _margin
    return road(target, s, embeddings, centers, labels, reduction, wanted)


def _margin(
    target: Callable[..., tuple[Tensor, ...]],
    s: float | None,
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    reduction: str,
    wanted: tuple[bool, bool],
) -> Slopes:
    """Cross-entropy of s cos θ, or of ‖x‖ cos θ without an s.

    Target gives the logit of the class itself, and its slopes in the
    direction of x (in x without an s) and in that of its center.
    """
    dtype, x, w, t = check_classes(embeddings, centers, labels)
    u, v = directions(x), directions(w.index_select(0, t))
    own, own_in_x, own_in_v = target(x, u, v)
    rows = x
    if s is not None:
        rows, own, own_in_v = s * u, s * own, s * own_in_v
    inverse = _inverse_lengths(w)
    loss, pull, in_x, in_w = line_up(rows, w, own, t[:, None], inverse, wanted)
    share = 1 / len(x) if reduction == "mean" else 1
    if wanted[0]:
        # The class's own logit falls by the weight of all the others.
        in_x.addcmul_(pull, own_in_x, value=-1).mul_(share)
        if s is not None:
            pull_back(in_x.mul_(s), x, u)
    if wanted[1]:
        in_w.index_add_(0, t, pull * own_in_v, alpha=-1)
        for a, i, slope in _blocks(w, inverse, in_w):
            # u = a i,  dw = i (du − u (u·du))
            along = (a * slope).sum(-1, keepdim=True).mul_(i).mul_(i)
            slope.addcmul_(a, along, value=-1).mul_(i * share)
    return reduce(loss[:, 0], reduction, dtype), (in_x, in_w)


def _angle(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """θ = 2 atan(d / c), d = ‖u − v‖, c = ‖u + v‖, and its slopes.

    dθ = 2 (c dd − d dc) / (c² + d²),  dd = (u − v)·(du − dv) / d
    """
    minus, plus = u - v, u + v
    d2, c2 = (a.square().sum(-1, keepdim=True) for a in (minus, plus))
    both_zero = (d2 + c2 == 0).to(u.dtype)
    d, c = d2.sqrt(), c2.sqrt()
    theta = 2 * torch.atan2(d + both_zero, c + both_zero)
    factor = 2 / (c2 + d2 + both_zero)
    minus *= factor * torch.where(d > 0, c / d, 0)
    plus *= factor * torch.where(c > 0, d / c, 0)
    return theta, minus - plus, -minus - plus


def _inverse_lengths(w: Tensor) -> Tensor:
    """Of each row, (K, 1); 1 for a zero."""
    inverse = w.new_empty(len(w), 1)
    for a, i in _blocks(w, inverse):
        largest = a.abs().amax(-1, keepdim=True)
        scaled = a / largest.masked_fill(largest == 0, 1)
        length = torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
        length *= largest
        tiny = torch.finfo(w.dtype).tiny
        length.masked_fill_(length == 0, 1).clamp_(min=tiny)
        torch.reciprocal(length, out=i)
    return inverse


def _blocks(w: Tensor, *others: Tensor) -> zip:
    rows = max(1, block(w) // w.shape[1])
    return zip(*(a.split(rows) for a in (w, *others)), strict=True)

"""Losses of boxes with their slopes, in one pass.

Here the two axes of the plane come first, the boxes last: a size is of shape
(2, n). A loss is 1 − I / U and a further term; the term gives its slopes in
what is measured, and ``_one_pass`` turns them into slopes in coordinates.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from handbook_code._checks import check_at_least
from handbook_code._fused import elementwise
from handbook_code.regression._geometry import check_boxes


class Pair(NamedTuple):
    size: Tensor
    target_size: Tensor
    own: Tensor  # the size, or 0 where that is negative
    other: Tensor  # the same of the target
    offset: Tensor  # of the centres
    hull: Tensor  # sides of the smallest box around both, at least 0
    union: Tensor
    iou: Tensor
    same: Tensor


class Slopes(NamedTuple):
    size: Tensor | float = 0.0
    own: Tensor | float = 0.0
    offset: Tensor | float = 0.0
    hull: Tensor | float = 0.0
    union: Tensor | float = 0.0


Term = Callable[[Pair], tuple[Tensor | float, Callable[[], Slopes]]]


def iou(input, target, *, form="xyxy", reduction="mean", wanted):
    return _one_pass(_nothing, input, target, form, reduction, wanted)


def giou(input, target, *, form="xyxy", reduction="mean", wanted):
    return _one_pass(_emptiness, input, target, form, reduction, wanted)


def diou(input, target, *, form="xyxy", reduction="mean", wanted):
    return _one_pass(_distance, input, target, form, reduction, wanted)


def ciou(input, target, *, form="xyxy", reduction="mean", wanted):
    return _one_pass(_aspect, input, target, form, reduction, wanted)


def eiou(input, target, *, form="xyxy", reduction="mean", wanted):
    return _one_pass(_sides, input, target, form, reduction, wanted)


def siou(input, target, *, theta=4.0, form="xyxy", reduction="mean", wanted):
    check_at_least(1, theta=theta)
    term = partial(_angle_and_shape, theta=theta)
    return _one_pass(term, input, target, form, reduction, wanted)


def _one_pass(
    term: Term,
    input: Tensor,
    target: Tensor,
    form: str,
    reduction: str,
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    check_boxes(input, target, form)

    def kernel(x: Tensor, y: Tensor, slope: Tensor | None) -> Tensor:
        x, y = torch.stack(x.unbind(1)), torch.stack(y.unbind(1))
        box, goal = _corners(x, form), _corners(y, form)
        size, target_size = box[1] - box[0], goal[1] - goal[0]
        first, last = apart = box - goal
        hull = torch.maximum(box[1], goal[1])
        hull.sub_(torch.minimum(box[0], goal[0])).clamp_(min=0)
        shared = torch.minimum(box[1], goal[1])
        shared.sub_(torch.maximum(box[0], goal[0]))
        lit, own, other = (s.clamp(min=0) for s in (shared, size, target_size))
        overlap = _area(lit)
        union = (_area(own) + _area(other)).sub_(overlap)
        none = _is(torch.eq, union)
        whole = union + none
        same = _is(torch.eq, (x - y).abs_().sum(0))
        iou = (overlap / whole).addcmul_(same, none)
        offset = (first + last).div_(2)
        value, slopes = term(
            Pair(size, target_size, own, other, offset, hull, union, iou, same)
        )
        if slope is not None:
            slopes = slopes()
            # d(−I / U) = I / U² dU − dI / U,  U = w h + w′ h′ − I
            per_union = (1 - none).div_(whole)
            in_union = per_union * iou + slopes.union
            in_overlap = per_union.add_(in_union).neg_()
            in_lit = lit.flip(0).mul_(in_overlap)
            in_own = own.flip(0).mul_(in_union).add_(slopes.own)
            in_shared = in_lit.mul_(_is(torch.ge, shared))
            in_size = in_own.mul_(_is(torch.ge, size)).add_(slopes.size)
            # The last corner b of the box and b′ of the goal give the hull
            # (b + b′ + ‖b − b′‖) / 2, and the overlap that with a minus.
            # At a tie both corners have half of the slope, as in autograd.
            each = (slopes.hull + in_shared).div_(2).add_(in_size)
            edge = apart.sign_().mul_((slopes.hull - in_shared).div_(2))
            shift = slopes.offset / 2
            _put(slope, edge[0] + (shift - each), edge[1] + (shift + each), form)
        return (1 - iou).add_(value)

    loss, slope = elementwise(
        kernel, input, target, reduction, wanted[0], axes=1
    )
    return loss, (slope,)


def _nothing(pair: Pair):
    return 0.0, Slopes


def _emptiness(pair: Pair):
    """1 − U / C"""
    hull = _area(pair.hull)
    none = _is(torch.eq, hull)
    whole = hull + none
    filled = (pair.union / whole).addcmul_(pair.same, none)

    def slopes():
        per_hull = (1 - none) / whole
        in_hull = pair.hull.flip(0).mul_(filled * per_hull)
        return Slopes(hull=in_hull, union=-per_hull)

    return 1 - filled, slopes


def _distance(pair: Pair):
    """ρ² / c²,  c² = W² + H²"""
    per_square = _inverse(_square(pair.hull))
    value = _square(pair.offset).mul_(per_square)

    def slopes():
        twice = 2 * per_square
        in_hull = pair.hull * (-value * twice)
        return Slopes(offset=pair.offset * twice, hull=in_hull)

    return value, slopes


def _aspect(pair: Pair):
    """ρ² / c² + α v,  v = 4 / π² (φ′ − φ)²,  dφ = (h dw − w dh) / (w² + h²)"""
    distance, slopes_of_distance = _distance(pair)
    turn = _angle(pair.other).sub_(_angle(pair.own))
    v = turn.square().mul_(4 / math.pi**2)
    alpha = v / (1 - pair.iou + v).add_(_is(torch.eq, v))

    def slopes():
        in_angle = turn.mul_(alpha).mul_(-8 / math.pi**2)
        in_own = pair.own.flip(0).mul_(in_angle * _inverse(_square(pair.own)))
        in_own[1].neg_()
        return slopes_of_distance()._replace(own=in_own)

    return distance.addcmul(alpha, v), slopes


def _sides(pair: Pair):
    """ρ² / c² + e²,  e = (w − w′) / W, and the same of the heights"""
    distance, slopes_of_distance = _distance(pair)
    per_side = _inverse(pair.hull)
    e = (pair.size - pair.target_size).mul_(per_side)

    def slopes():
        part = slopes_of_distance()
        in_size = per_side.mul_(e).mul_(2)
        hull = part.hull.sub_(in_size * e)
        return part._replace(size=in_size, hull=hull)

    return distance + _square(e), slopes


def _angle_and_shape(pair: Pair, theta: float):
    """(Δ + Ω) / 2"""
    apart = pair.offset.abs()
    per_square, per_side = _inverse(_square(apart)), _inverse(pair.hull)
    # Δ = 2 − Σ exp(−γ ρ),  ρ = q²,  q = Δx / W,  γ = 2 − Λ
    diagonal = 2 * _area(apart) * per_square
    gamma = 2 - diagonal
    q = apart * per_side
    rho = q.square()
    near = torch.expm1(-gamma * rho)
    # Ω = Σ u^θ,  u = 1 − exp(−ω),  ω = ‖w − w′‖ / max(w, w′)
    more = pair.size - pair.target_size
    longer = torch.maximum(pair.size, pair.target_size).clamp_(min=0)
    per_longer = _inverse(longer)
    omega = more.abs().mul_(per_longer)
    u = torch.expm1(-omega).neg_()
    power = u.pow(theta - 1)

    def slopes():
        decay = near + 1
        in_rho = decay * gamma
        in_diagonal = (decay * rho).sum(0).neg_()
        turn = apart.flip(0).sub_(apart * diagonal)
        in_apart = turn.mul_(in_diagonal * per_square)
        in_apart.add_(in_rho * q * per_side)  # of all, a half: (Δ + Ω) / 2
        in_hull = in_rho.mul_(rho).mul_(per_side).neg_()
        sign = more.sign()
        in_more = power * (1 - u) * per_longer * (theta / 2)
        return Slopes(
            size=in_more * (sign - omega * (1 + sign) / 2),
            offset=pair.offset.sign().mul_(in_apart),
            hull=in_hull,
        )

    return (power * u - near).sum(0).div_(2), slopes


def _corners(box: Tensor, form: str) -> Tensor:
    """First and last corners, of shape (2, 2, n)."""
    box = box.view(2, 2, -1)
    if form == "xyxy":
        return box
    place, size = box
    if form == "xywh":
        return torch.stack([place, place + size])
    half = size / 2
    return torch.stack([place - half, place + half])


def _put(slope: Tensor, first: Tensor, last: Tensor, form: str) -> None:
    """Slopes in two corners as slopes in the four numbers of the form."""
    place, rest = slope.t().view(2, 2, -1)
    if form == "xyxy":
        place.copy_(first)
        rest.copy_(last)
        return
    torch.add(first, last, out=place)
    if form == "xywh":
        rest.copy_(last)
    else:
        torch.sub(last, first, out=rest).div_(2)


def _angle(size: Tensor) -> Tensor:
    """The arctangent of width over height; a point counts as a square."""
    width, height = size
    point = _is(torch.eq, width + height)
    return torch.atan2(width + point, height + point)


def _area(sides: Tensor) -> Tensor:
    return sides[0] * sides[1]


def _square(vector: Tensor) -> Tensor:
    return vector.square().sum(0)


def _inverse(whole: Tensor) -> Tensor:
    """One over it, and 0 where there is no whole: a ratio is 0 there."""
    none = _is(torch.eq, whole)
    return (1 - none) / (whole + none)


def _is(compare: Callable, x: Tensor) -> Tensor:
    """How x compares with 0, as 0 or 1: booleans take far longer."""
    return compare(x, 0, out=torch.empty_like(x))

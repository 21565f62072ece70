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
    apart: Tensor  # the corners of one box less those of the other, (2, 2, n)
    size: Tensor
    target_size: Tensor
    own: Tensor  # the size, or 0 where that is negative
    other: Tensor  # the same of the target
    hull: Tensor  # of the smallest box around both
    hull_area: Tensor
    union: Tensor
    iou: Tensor
    same: Tensor


class Slopes(NamedTuple):
    corner: Tensor | float = 0.0  # in both corners, by the offset of centres
    size: Tensor | float = 0.0
    own: Tensor | float = 0.0
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
        both = torch.stack(x.unbind(1) + y.unbind(1)).view(2, 2, 2, -1)
        same = _is(torch.eq, (both[0] - both[1]).abs_().sum((0, 1)))
        both = _corners(both, form)
        box, goal = both.unbind()
        apart = box - goal
        low_first, low_last = torch.minimum(box, goal).unbind()
        high_first, high_last = torch.maximum(box, goal).unbind()
        size, target_size = (both[:, 1] - both[:, 0]).unbind()
        shared, hull = low_last - high_first, high_last - low_first
        sides = torch.stack([shared, size, target_size, hull])
        lengths = sides.clamp(min=0)
        overlap, own, other, hull = _area(lengths, 1).unbind()
        union = (own + other).sub_(overlap)
        none = _is(torch.eq, union)
        whole = union + none
        iou = (overlap / whole).addcmul_(same, none)
        _, *measures = lengths.unbind()
        value, slopes = term(
            Pair(apart, size, target_size, *measures, hull, union, iou, same)
        )
        if slope is not None:
            slopes = slopes()
            # d(−I / U) = I / U² dU − dI / U,  U = w h + w′ h′ − I
            per_union = (1 - none).div_(whole)
            in_union = per_union * iou + slopes.union
            in_overlap = per_union.add_(in_union).neg_()
            in_areas = torch.stack([in_overlap, in_union]).unsqueeze(1)
            in_lengths = lengths[:2].flip(1).mul_(in_areas)
            in_shared, in_size = in_lengths.unbind()
            in_size.add_(slopes.own)
            in_lengths.mul_(_is(torch.ge, sides[:2]))
            # The last corner b of the box and b′ of the goal give the hull
            # (b + b′ + ‖b − b′‖) / 2, and the overlap that with a minus.
            # At a tie both corners have half of the slope, as in autograd.
            edge = apart.sign_().mul_(slopes.hull - in_shared)
            each = in_size.add_(slopes.size)
            each.add_(in_shared.add_(slopes.hull), alpha=0.5)
            ends = torch.stack([slopes.corner - each, slopes.corner + each])
            _put(slope, ends.add_(edge, alpha=0.5), form)
        return (1 - iou).add_(value)

    loss, slope = elementwise(
        kernel, input, target, reduction, wanted[0], axes=1
    )
    return loss, (slope,)


def _nothing(pair: Pair):
    return 0.0, Slopes


def _emptiness(pair: Pair):
    """1 − U / C"""
    none = _is(torch.eq, pair.hull_area)
    whole = pair.hull_area + none
    filled = (pair.union / whole).addcmul_(pair.same, none)

    def slopes():
        per_hull = (1 - none).div_(whole)
        in_hull = pair.hull.flip(0).mul_(filled * per_hull)
        return Slopes(hull=in_hull, union=per_hull.neg_())

    return 1 - filled, slopes


def _distance(pair: Pair):
    """ρ² / c²,  c² = W² + H²"""
    offset = (pair.apart[0] + pair.apart[1]).div_(2)
    per_square = _inverse(_square(pair.hull))
    value = _square(offset).mul_(per_square)

    def slopes():
        in_hull = pair.hull * (value * per_square).mul_(-2)
        return Slopes(corner=offset.mul_(per_square), hull=in_hull)

    return value, slopes


def _aspect(pair: Pair):
    """ρ² / c² + α v,  v = 4 / π² (φ′ − φ)²,  dφ = (h dw − w dh) / (w² + h²)"""
    distance, slopes_of_distance = _distance(pair)
    turn = _angle(pair.other).sub_(_angle(pair.own))
    v = turn.square().mul_(4 / math.pi**2)
    alpha = (1 - pair.iou).add_(v).add_(_is(torch.eq, v)).reciprocal_().mul_(v)

    def slopes():
        in_angle = turn.mul_(alpha).mul_(-8 / math.pi**2)
        in_own = pair.own.flip(0)
        in_own.mul_(in_angle.mul_(_inverse(_square(pair.own))))[1].neg_()
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
    offset = (pair.apart[0] + pair.apart[1]).div_(2)
    apart = offset.abs()
    per_square, per_side = _inverse(_square(apart)), _inverse(pair.hull)
    # Δ = 2 − Σ exp(−γ ρ),  ρ = q²,  q = Δx / W,  γ = 2 − Λ
    diagonal = 2 * _area(apart, 0) * per_square
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
            corner=offset.sign_().mul_(in_apart).div_(2),
            size=in_more * (sign - omega * (1 + sign) / 2),
            hull=in_hull,
        )

    return (power * u - near).sum(0).div_(2), slopes


def _corners(both: Tensor, form: str) -> Tensor:
    """First and last corners of both boxes, of shape (2, 2, 2, n)."""
    if form == "xyxy":
        return both
    place, size = both.unbind(1)
    if form == "xywh":
        return torch.stack([place, place + size], dim=1)
    half = size / 2
    return torch.stack([place - half, place + half], dim=1)


def _put(slope: Tensor, corners: Tensor, form: str) -> None:
    """Slopes in the corners as slopes in the four numbers of the form."""
    columns = slope.t().view(2, 2, -1)
    if form == "xyxy":
        columns.copy_(corners)
        return
    place, rest = columns
    first, last = corners
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


def _area(sides: Tensor, axis: int) -> Tensor:
    width, height = sides.unbind(axis)
    return width * height


def _square(vector: Tensor) -> Tensor:
    return vector.square().sum(0)


def _inverse(whole: Tensor) -> Tensor:
    """One over it, and 0 where there is no whole: a ratio is 0 there."""
    none = _is(torch.eq, whole)
    return (1 - none) / (whole + none)


def _is(compare: Callable, x: Tensor) -> Tensor:
    """How x compares with 0, as 0 or 1: booleans take far longer."""
    return compare(x, 0, out=torch.empty_like(x))

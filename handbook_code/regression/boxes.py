"""Losses of two boxes: how far the first is from the second.

Of a box without area, or inverted (x2 < x1 or y2 < y1), the overlap is zero.
Two equal boxes cost nothing, whatever their area.
"""

import math

import torch
from torch import Tensor

from handbook_code._checks import check_at_least
from handbook_code._fused import fused
from handbook_code._reduce import reduce
from handbook_code.regression import _fast_boxes as fast
from handbook_code.regression._geometry import Pair, area, measure, ratio


@fused(fast.iou, "input", least=1 << 12)
def iou_loss(
    input: Tensor,
    target: Tensor,
    *,
    form: str = "xyxy",
    reduction: str = "mean",
) -> Tensor:
    """What the boxes do not share, as a share of what they cover.

    L = 1 − I / U

    I is the area of the intersection, U of the union.

    Args:
        input: predicted boxes, of shape (…, 4), in any unit of length.
        target: true boxes, of the same shape, pair by pair.
        form: what the four numbers are: ``"xyxy"`` two corners x1, y1, x2,
            y2; ``"xywh"`` the first corner and the sides; ``"cxcywh"`` the
            centre and the sides.
        reduction: ``"none"`` (one value per box), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. Boxes that do not overlap cost 1, and have a
        gradient of 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if the last axis is not of four, shapes or devices differ,
            or the form or the reduction is unknown.

    Reference:
        Yu, Jiang, Wang, Cao, Huang (2016), UnitBox: an advanced object
        detection network. There the loss is −log(I / U).

    >>> box = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    >>> iou_loss(box, torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor(0.6667)
    """
    dtype, pair = measure(input, target, form)
    return reduce(1 - pair.iou, reduction, dtype)


@fused(fast.giou, "input", least=1 << 10)
def giou_loss(
    input: Tensor,
    target: Tensor,
    *,
    form: str = "xyxy",
    reduction: str = "mean",
) -> Tensor:
    """One minus overlap, plus the empty share of the box around both.

    L = 1 − I / U + (C − U) / C

    I is the area of the intersection, U of the union, C of the smallest
    axis-aligned box around both.

    Args:
        input: predicted boxes, of shape (…, 4), in any unit of length.
        target: true boxes, of the same shape, pair by pair.
        form: what the four numbers are: ``"xyxy"`` two corners x1, y1, x2,
            y2; ``"xywh"`` the first corner and the sides; ``"cxcywh"`` the
            centre and the sides.
        reduction: ``"none"`` (one value per box), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 2. Where one box is inside the other it is the
        IoU loss.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if the last axis is not of four, shapes or devices differ,
            or the form or the reduction is unknown.

    Reference:
        Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese (2019),
        Generalized intersection over union.

    >>> box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> giou_loss(box, box + 1)
    tensor(1.5000)
    """
    dtype, pair = measure(input, target, form)
    filled = ratio(pair.union, area(pair.hull), pair.same)
    return reduce((1 - pair.iou) + (1 - filled), reduction, dtype)


@fused(fast.diou, "input")
def diou_loss(
    input: Tensor,
    target: Tensor,
    *,
    form: str = "xyxy",
    reduction: str = "mean",
) -> Tensor:
    """One minus overlap, plus the squared distance of the centres.

    L = 1 − I / U + ρ² / c²

    I is the area of the intersection, U of the union, ρ the distance of the
    centres, c the diagonal of the smallest box around both.

    Args:
        input: predicted boxes, of shape (…, 4), in any unit of length.
        target: true boxes, of the same shape, pair by pair.
        form: what the four numbers are: ``"xyxy"`` two corners x1, y1, x2,
            y2; ``"xywh"`` the first corner and the sides; ``"cxcywh"`` the
            centre and the sides.
        reduction: ``"none"`` (one value per box), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 2.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if the last axis is not of four, shapes or devices differ,
            or the form or the reduction is unknown.

    Reference:
        Zheng, Wang, Liu, Li, Ye, Ren (2020), Distance-IoU loss.

    >>> box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> diou_loss(box, box + 1)
    tensor(1.2500)
    """
    dtype, pair = measure(input, target, form)
    return reduce(1 - pair.iou + _distance(pair), reduction, dtype)


@fused(fast.ciou, "input")
def ciou_loss(
    input: Tensor,
    target: Tensor,
    *,
    form: str = "xyxy",
    reduction: str = "mean",
) -> Tensor:
    """The DIoU loss, plus the difference of the aspect ratios.

    L = 1 − I / U + ρ² / c² + α v
    v = (4 / π²) (arctan(w′ / h′) − arctan(w / h))²
    α = v / (1 − I / U + v)

    To the gradient α is a constant. A point counts as a square.

    Args:
        input: predicted boxes, of shape (…, 4), in any unit of length.
        target: true boxes, of the same shape, pair by pair.
        form: what the four numbers are: ``"xyxy"`` two corners x1, y1, x2,
            y2; ``"xywh"`` the first corner and the sides; ``"cxcywh"`` the
            centre and the sides.
        reduction: ``"none"`` (one value per box), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 2.5. Its gradient is not bounded: that of v grows
        like one over the size of the predicted box.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if the last axis is not of four, shapes or devices differ,
            or the form or the reduction is unknown.

    Reference:
        Zheng, Wang, Liu, Li, Ye, Ren (2020), Distance-IoU loss.

    >>> wide = torch.tensor([[-2.0, -1.0, 2.0, 1.0]])
    >>> tall = torch.tensor([[-1.0, -2.0, 1.0, 2.0]])
    >>> ciou_loss(wide, tall)
    tensor(0.7004)
    """
    dtype, pair = measure(input, target, form)
    turn = _aspect(pair.target_size) - _aspect(pair.size)
    v = 4 / math.pi**2 * turn**2
    alpha = (v / torch.where(v == 0, 1, 1 - pair.iou + v)).detach()
    loss = 1 - pair.iou + _distance(pair) + alpha * v
    return reduce(loss, reduction, dtype)


@fused(fast.eiou, "input")
def eiou_loss(
    input: Tensor,
    target: Tensor,
    *,
    form: str = "xyxy",
    reduction: str = "mean",
) -> Tensor:
    """The DIoU loss, plus the squared differences of the sides.

    L = 1 − I / U + ρ² / c² + (w − w′)² / W² + (h − h′)² / H²

    W and H are the sides of the smallest box around both, c its diagonal.

    Args:
        input: predicted boxes, of shape (…, 4), in any unit of length.
        target: true boxes, of the same shape, pair by pair.
        form: what the four numbers are: ``"xyxy"`` two corners x1, y1, x2,
            y2; ``"xywh"`` the first corner and the sides; ``"cxcywh"`` the
            centre and the sides.
        reduction: ``"none"`` (one value per box), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 3.25. A negative side is not cut off where sides
        are compared, so that an inverted box costs more and is led back.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if the last axis is not of four, shapes or devices differ,
            or the form or the reduction is unknown.

    Reference:
        Zhang, Ren, Zhang, Jia, Wang, Tan (2022), Focal and efficient IOU
        loss for accurate bounding box regression.

    >>> box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> eiou_loss(box, torch.tensor([[0.0, 0.0, 2.0, 1.0]]))
    tensor(0.8000)
    """
    dtype, pair = measure(input, target, form)
    sides = ratio(pair.size - pair.target_size, pair.hull).square().sum(-1)
    loss = 1 - pair.iou + _distance(pair) + sides
    return reduce(loss, reduction, dtype)


@fused(fast.siou, "input")
def siou_loss(
    input: Tensor,
    target: Tensor,
    *,
    theta: float = 4.0,
    form: str = "xyxy",
    reduction: str = "mean",
) -> Tensor:
    """One minus overlap, plus costs of distance, with its angle, and shape.

    L = 1 − I / U + (Δ + Ω) / 2
    Δ = 2 − exp(−γ (Δx / W)²) − exp(−γ (Δy / H)²),  γ = 2 − Λ
    Ω = (1 − exp(−‖w − w′‖ / max(w, w′)))^θ + the same of h and h′

    Λ = sin 2φ for centres that are apart by Δx and Δy, at an angle φ to an
    axis: 0 on an axis, 1 on a diagonal. W and H are the sides of the smallest
    box around both.

    Args:
        input: predicted boxes, of shape (…, 4), in any unit of length.
        target: true boxes, of the same shape, pair by pair.
        theta: θ ≥ 1, how flat the cost of shape is near zero.
        form: what the four numbers are: ``"xyxy"`` two corners x1, y1, x2,
            y2; ``"xywh"`` the first corner and the sides; ``"cxcywh"`` the
            centre and the sides.
        reduction: ``"none"`` (one value per box), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 2 − e⁻² + (1 − e⁻¹)^θ. It has a ridge where the
        centres are level (Δx = 0 or Δy = 0); there the slope of Λ is taken
        to be 0. As in EIoU, a negative side is not cut off where sides are
        compared.

    Raises:
        TypeError: if a tensor is not floating-point, or θ not a number.
        ValueError: if the last axis is not of four, shapes or devices differ,
            θ is not finite and at least 1,
            or the form or the reduction is unknown.

    Reference:
        Gevorgyan (2022), SIoU loss: more powerful learning for bounding box
        regression.

    >>> box = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> siou_loss(box, box + 1)
    tensor(1.2212)
    """
    check_at_least(1, theta=theta)
    dtype, pair = measure(input, target, form)
    apart = pair.offset.abs()
    # sin 2φ needs no arcsine: it is 2 sin φ cos φ.
    twice = 2 * apart[..., 0] * apart[..., 1]
    gamma = 2 - ratio(twice, apart.square().sum(-1))
    rho = ratio(apart, pair.hull).square()
    distance = -torch.expm1(-gamma[..., None] * rho).sum(-1)
    longer = torch.maximum(pair.size, pair.target_size).clamp(min=0)
    omega = ratio((pair.size - pair.target_size).abs(), longer)
    shape = (-torch.expm1(-omega)).pow(theta).sum(-1)
    return reduce(1 - pair.iou + (distance + shape) / 2, reduction, dtype)


def _distance(pair: Pair) -> Tensor:
    """Of the centres, squared, in units of the diagonal."""
    return ratio(pair.offset.square().sum(-1), pair.hull.square().sum(-1))


def _aspect(size: Tensor) -> Tensor:
    """The arctangent of width over height."""
    point = (size <= 0).all(-1, keepdim=True)  # counts as a square
    width, height = torch.where(point, 1, size.clamp(min=0)).unbind(-1)
    return torch.atan2(width, height)

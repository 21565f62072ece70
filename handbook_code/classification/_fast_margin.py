"""Losses of a margin z = input · target with their slopes, in one pass."""

from collections.abc import Callable

import torch
from torch import Tensor

from handbook_code._checks import (
    check_below_one,
    check_pair,
    check_positive,
)
from handbook_code._fused import elementwise


def hinge(input, target, *, reduction="mean", wanted):
    def curve(short: Tensor, slope: Tensor | None) -> Tensor:
        if slope is not None:
            torch.sign(short, out=slope)
        return short

    return _of_what_is_short(curve, input, target, reduction, wanted)


def squared_hinge(input, target, *, reduction="mean", wanted):
    def curve(short: Tensor, slope: Tensor | None) -> Tensor:
        if slope is not None:
            torch.mul(short, 2, out=slope)
        return short.square_()

    return _of_what_is_short(curve, input, target, reduction, wanted)


def smoothed_hinge(input, target, *, gamma=1.0, reduction="mean", wanted):
    check_positive(gamma=gamma)

    def curve(short: Tensor, slope: Tensor | None) -> Tensor:
        inside = short.clamp(max=gamma)
        if slope is not None:
            torch.div(inside, gamma, out=slope)
        short.sub_(inside)
        return short.addcmul_(inside, inside / (2 * gamma))

    return _of_what_is_short(curve, input, target, reduction, wanted)


def ramp(input, target, *, s=-1.0, reduction="mean", wanted):
    check_below_one(s=s)

    def curve(short: Tensor, slope: Tensor | None) -> Tensor:
        if slope is not None:
            torch.le(short, 1 - s, out=slope).mul_(short.sign())
        return short.clamp_(max=1 - s)

    return _of_what_is_short(curve, input, target, reduction, wanted)


def exponential(input, target, *, reduction="mean", wanted):
    check_pair(input=input, target=target)

    def kernel(x: Tensor, y: Tensor, slope: Tensor | None) -> Tensor:
        value = (y * x).neg_().exp_()
        if slope is not None:
            torch.mul(y, value, out=slope).neg_()
        return value

    loss, slope = elementwise(kernel, input, target, reduction, *wanted)
    return loss, (slope,)


def _of_what_is_short(
    curve: Callable[[Tensor, Tensor | None], Tensor],
    input: Tensor,
    target: Tensor,
    reduction: str,
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    """A loss of max(0, 1 − z), which ``curve`` may write over.

    It fills in the slope in what is short, which has slope −y in x.
    """
    check_pair(input=input, target=target)

    def kernel(x: Tensor, y: Tensor, slope: Tensor | None) -> Tensor:
        short = (y * x).neg_().add_(1).clamp_(min=0)
        value = curve(short, slope)
        if slope is not None:
            slope.mul_(y).neg_()
        return value

    loss, slope = elementwise(kernel, input, target, reduction, *wanted)
    return loss, (slope,)

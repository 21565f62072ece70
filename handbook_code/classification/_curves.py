"""Losses of the log odds u against what is true, whose p is σ(−u)."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Curve(NamedTuple):
    """A loss, and its slope in the log odds."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def minus_log(u: Tensor) -> Tensor:
    return -F.logsigmoid(-u)


surprise = Curve(minus_log, torch.sigmoid)


def focal(gamma: float) -> Curve:
    """(1 − p)^γ times −log p."""

    def doubt(u: Tensor) -> Tensor:  # a power of q has no slope at 0
        return torch.exp(gamma * F.logsigmoid(u))

    def value(u: Tensor) -> Tensor:
        return doubt(u) * minus_log(u)

    def slope(u: Tensor) -> Tensor:
        # d(q^γ s) = q^γ (q + γ (1 − q) s) du,  ds = q du
        q, right = torch.sigmoid(u), torch.sigmoid(-u)
        return doubt(u) * torch.addcmul(q, right, minus_log(u), value=gamma)

    return Curve(value, slope)


def root(gamma: float) -> Curve:
    """A power of −log p, with no slope where that is 0."""

    def value(u: Tensor) -> Tensor:
        return power(minus_log(u), gamma)

    def slope(u: Tensor) -> Tensor:
        s = minus_log(u)
        # s^(γ−1) goes up to infinity as s goes to 0, q goes down faster.
        return gamma * power(s, gamma) * (torch.sigmoid(u) / _or_one(s))

    return Curve(value, slope)


def power(x: Tensor, gamma: float) -> Tensor:
    """x^γ, with no slope where x is 0."""
    # In the logits the slope goes to 0 there: x^(γ−1) goes up, but dx faster.
    return torch.where(_is_none(x), 0, _or_one(x) ** gamma)


def _or_one(x: Tensor) -> Tensor:
    return torch.where(_is_none(x), 1, x)


def _is_none(x: Tensor) -> Tensor:
    return x <= torch.finfo(x.dtype).tiny

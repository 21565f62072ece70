"""Losses of one margin, z = input · target, with targets −1 and +1.

The input is a real score, not a probability; its sign is the prediction.
"""

import torch
from torch import Tensor

from handbook_code._checks import (
    check_below_one,
    check_pair,
    check_positive,
)
from handbook_code._fused import fused
from handbook_code._reduce import reduce, widen
from handbook_code.classification import _fast_margin as fast


@fused(fast.hinge, "input", least=1 << 16)
def hinge_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """Zero from a margin of one on; before it, one for each unit missing.

    φ(z) = max(0, 1 − z)

    Args:
        input: scores, of any shape.
        target: −1 or +1, floating-point, of the same shape.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. At z = 1 its gradient is taken to be 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Cortes, Vapnik (1995), Support-vector networks.

    >>> score = torch.tensor([-0.5, 0.5, 2.0])
    >>> hinge_loss(score, torch.ones(3), reduction="none")
    tensor([1.5000, 0.5000, 0.0000])
    """
    dtype, z = _margin(input, target)
    return reduce((1 - z).relu(), reduction, dtype)


@fused(fast.squared_hinge, "input", least=1 << 15)
def squared_hinge_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """The hinge, squared: no corner at the margin, and no bound on the pull.

    φ(z) = max(0, 1 − z)²

    Args:
        input: scores, of any shape.
        target: −1 or +1, floating-point, of the same shape.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Zhang (2004), Statistical behavior and consistency of classification
        methods based on convex risk minimization.

    >>> score = torch.tensor([-0.5, 0.5, 2.0])
    >>> squared_hinge_loss(score, torch.ones(3), reduction="none")
    tensor([2.2500, 0.2500, 0.0000])
    """
    dtype, z = _margin(input, target)
    return reduce((1 - z).relu() ** 2, reduction, dtype)


@fused(fast.smoothed_hinge, "input", least=1 << 13)
def smoothed_hinge_loss(
    input: Tensor,
    target: Tensor,
    *,
    gamma: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """The hinge with its corner rounded by a parabola of width γ.

    φ(z) = max(0, 1 − z)² / 2γ if z ≥ 1 − γ, else 1 − γ / 2 − z

    Args:
        input: scores, of any shape.
        target: −1 or +1, floating-point, of the same shape.
        gamma: γ > 0, the width of the parabola below a margin of one.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. For γ → 0 it is the hinge.

    Raises:
        TypeError: if a tensor is not floating-point, or γ not a number.
        ValueError: if shapes or devices differ, γ is not positive and finite,
            or the reduction is unknown.

    Reference:
        Rennie, Srebro (2005), Loss functions for preference levels (γ = 1).

    >>> score = torch.tensor([-0.5, 0.5, 2.0])
    >>> smoothed_hinge_loss(score, torch.ones(3), reduction="none")
    tensor([1.0000, 0.1250, 0.0000])
    """
    check_positive(gamma=gamma)
    dtype, z = _margin(input, target)
    short = (1 - z).relu()
    inside = short.clamp(max=gamma)
    loss = inside * (inside / (2 * gamma)) + (short - inside)
    return reduce(loss, reduction, dtype)


@fused(fast.ramp, "input", least=1 << 14)
def ramp_loss(
    input: Tensor,
    target: Tensor,
    *,
    s: float = -1.0,
    reduction: str = "mean",
) -> Tensor:
    """The hinge with a ceiling: samples that are too wrong are given up.

    φ(z) = min(1 − s, max(0, 1 − z))

    Args:
        input: scores, of any shape.
        target: −1 or +1, floating-point, of the same shape.
        s: s < 1, the margin below which the loss stays at 1 − s.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1 − s. Below s, and from 1 on, its gradient is 0.

    Raises:
        TypeError: if a tensor is not floating-point, or s not a number.
        ValueError: if shapes or devices differ, s is not below one, or the
            reduction is unknown.

    Reference:
        Collobert, Sinz, Weston, Bottou (2006), Trading convexity for
        scalability.

    >>> score = torch.tensor([-5.0, 0.5, 2.0])
    >>> ramp_loss(score, torch.ones(3), reduction="none")
    tensor([2.0000, 0.5000, 0.0000])
    """
    check_below_one(s=s)
    dtype, z = _margin(input, target)
    return reduce((1 - z).relu().clamp(max=1 - s), reduction, dtype)


@fused(fast.exponential, "input", least=1 << 17)
def exponential_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """The loss of AdaBoost: each unit of margin divides it by e.

    φ(z) = e^(−z)

    Args:
        input: scores, of any shape.
        target: −1 or +1, floating-point, of the same shape.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, > 0. Below a margin of about −88 it is infinite in float32,
        as is its gradient.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Freund, Schapire (1997), A decision-theoretic generalization of
        on-line learning and an application to boosting.

    >>> score = torch.tensor([-1.0, 0.0, 2.0])
    >>> exponential_loss(score, torch.ones(3), reduction="none")
    tensor([2.7183, 1.0000, 0.1353])
    """
    dtype, z = _margin(input, target)
    return reduce(torch.exp(-z), reduction, dtype)


def _margin(input: Tensor, target: Tensor) -> tuple[torch.dtype, Tensor]:
    check_pair(input=input, target=target)
    dtype, score, label = widen(input, target)
    return dtype, label * score

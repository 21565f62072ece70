"""Likelihoods of a reconstruction: the width of the noise is learnt too."""

import math

import torch
from torch import Tensor

from handbook_code._checks import check_pair
from handbook_code._reduce import reduce, widen


def gaussian_nll_loss(
    mean: Tensor,
    log_variance: Tensor,
    target: Tensor,
    *,
    reduction: str = "mean",
) -> Tensor:
    """What a Gaussian of predicted mean and variance pays for an observation.

    L = ½ (log 2π + s + (y − μ)² e⁻ˢ),   s = log σ²

    Args:
        mean: predictions μ, of any shape, in the units of the target.
        log_variance: logarithms s of the predicted variances, any real
            numbers, of the same shape. Nothing clamps them; for one variance
            of several elements, ``expand`` it.
        target: observations y, of the same shape.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The negative log-likelihood in nats per element, constants included:
        of either sign, and in other units it differs by a constant. Where the
        fit is exact it falls with s without end.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Nix, Weigend (1994), Estimating the mean and variance of the target
        probability distribution.

    >>> y = torch.tensor([0.0, 3.0])
    >>> gaussian_nll_loss(torch.zeros(2), torch.zeros(2), y, reduction="none")
    tensor([0.9189, 5.4189])
    """
    check_pair(mean=mean, log_variance=log_variance, target=target)
    dtype, mu, s, y = widen(mean, log_variance, target)
    z = _in_widths(y - mu, s / 2)
    loss = (math.log(2 * math.pi) + s + z**2) / 2
    return reduce(loss, reduction, dtype)


def laplace_nll_loss(
    mean: Tensor,
    log_scale: Tensor,
    target: Tensor,
    *,
    reduction: str = "mean",
) -> Tensor:
    """What a Laplace density of predicted centre and scale pays.

    L = log 2 + s + ‖y − μ‖ e⁻ˢ,   s = log b, per element

    Args:
        mean: predictions μ, of any shape, in the units of the target; the
            mean of the density, and its median.
        log_scale: logarithms s of the predicted scales, any real numbers, of
            the same shape. Nothing clamps them.
        target: observations y, of the same shape.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The negative log-likelihood in nats per element, constants included:
        of either sign. Where the fit is exact it falls with s without end,
        and its gradient in the mean is taken to be 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Laplace (1774), Sur la probabilité des causes.

    >>> y = torch.tensor([0.0, 3.0])
    >>> laplace_nll_loss(torch.zeros(2), torch.zeros(2), y, reduction="none")
    tensor([0.6931, 3.6931])
    """
    check_pair(mean=mean, log_scale=log_scale, target=target)
    dtype, mu, s, y = widen(mean, log_scale, target)
    loss = math.log(2) + s + _in_widths(y - mu, s).abs()
    return reduce(loss, reduction, dtype)


def _in_widths(r: Tensor, log_width: Tensor) -> Tensor:
    """r / width, where the width may be too small to be a number."""
    # Of an exact fit, 0 · ∞ would be NaN; what is left of it is 0.
    least = -0.9 * math.log(torch.finfo(r.dtype).max)
    usable = torch.where(r == 0, log_width.clamp(min=least), log_width)
    return r * torch.exp(-usable)

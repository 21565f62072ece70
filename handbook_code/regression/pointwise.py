"""Losses of one residual, r = input − target."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._checks import check_pair, check_positive
from handbook_code._fused import fused
from handbook_code._reduce import check_reduction, reduce, widen
from handbook_code.regression import _fast_pointwise as fast
from handbook_code.regression._quantiles import beside_quantiles


@fused(fast.mae, "input", least=1 << 16, shortcut=fast.torch_s_mae)
def mae_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """Absolute error: every unit of residual costs the same.

    ρ(r) = |r|

    Args:
        input: predictions, of any shape, in the units of the target.
        target: observations, of the same shape.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0, in the units of the target. Its gradient at a perfect
        prediction is taken to be 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Laplace (1774), Sur la probabilité des causes.

    >>> mae_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(1.5000)
    """
    check_pair(input=input, target=target)
    dtype, x, y = widen(input, target)
    return _torch_s(F.l1_loss, x, y, reduction, dtype)


@fused(fast.mse, "input", least=1 << 18, shortcut=fast.torch_s_mse)
def mse_loss(
    input: Tensor, target: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """Squared error: each further unit of residual costs more than the last.

    ρ(r) = r²

    Args:
        input: predictions, of any shape, in the units of the target.
        target: observations, of the same shape.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0, in squared units of the target.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Gauss (1809), Theoria motus corporum coelestium.

    >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(4.5000)
    """
    check_pair(input=input, target=target)
    dtype, x, y = widen(input, target)
    # Torch's own mean has no forward derivative of its gradient.
    return reduce(F.mse_loss(x, y, reduction="none"), reduction, dtype)


def rmse_loss(input: Tensor, target: Tensor) -> Tensor:
    """The root of the mean squared error, one number for the whole batch.

    L = √((1 / N) Σᵢ rᵢ²)

    Args:
        input: predictions, of any shape, in the units of the target; N is
            their number.
        target: observations, of the same shape.

    Returns:
        One number ≥ 0 in the units of the target. A root is not additive,
        so the mean over mini-batches is not the loss of their union. Where the
        fit is perfect, and in an empty batch, value and gradient are 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ.

    Reference:
        Gauss (1823), Theoria combinationis observationum.

    >>> rmse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(2.1213)
    """
    check_pair(input=input, target=target)
    dtype, x, y = widen(input, target)
    return _root_mean_square(x - y).to(dtype)


def rmsle_loss(input: Tensor, target: Tensor) -> Tensor:
    """The root of the mean squared difference of log(1 + value).

    L = √((1 / N) Σᵢ (log(1 + xᵢ) − log(1 + yᵢ))²)

    Args:
        input: predictions x > −1, such as counts, of any shape; N is their
            number. At and below −1 the loss is infinite or NaN.
        target: observations y > −1, of the same shape.

    Returns:
        One number ≥ 0, without units; 0, as its gradient, at a perfect fit.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ.

    Reference:
        Box, Cox (1964), An analysis of transformations.

    >>> rmsle_loss(torch.tensor([50.0]), torch.tensor([100.0]))
    tensor(0.6833)
    """
    check_pair(input=input, target=target)
    dtype, x, y = widen(input, target)
    ratio = (x - y) / (1 + y)
    # Of nearly equal values, a difference of logarithms keeps no digits.
    far = torch.log1p(x) - torch.log1p(y)
    near = torch.log1p(ratio.clamp(-0.5, 0.5))
    r = torch.where((ratio.abs() < 0.5) & (y > -1), near, far)
    return _root_mean_square(r).to(dtype)


@fused(fast.log_cosh, "input", least=1 << 9)
def log_cosh_loss(
    input: Tensor,
    target: Tensor,
    *,
    delta: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """Huber's shape without the corner: smooth from quadratic to linear.

    ρ(r) = δ² log cosh(r / δ)

    Args:
        input: predictions, of any shape, in the units of the target.
        target: observations, of the same shape.
        delta: δ > 0, in units of the target, around which the loss turns
            linear.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0, in squared units of the target.

    Raises:
        TypeError: if a tensor is not floating-point, or δ not a number.
        ValueError: if shapes or devices differ, δ is not positive and finite,
            or the reduction is unknown.

    Reference:
        Green (1990), Bayesian reconstructions from emission data.

    >>> r = torch.tensor([0.0, 0.5, 4.0])
    >>> log_cosh_loss(r, torch.zeros(3), reduction="none")
    tensor([0.0000, 0.1201, 3.3072])
    """
    check_pair(input=input, target=target)
    check_positive(delta=delta)
    dtype, x, y = widen(input, target)
    r = (x - y) / delta
    # log cosh r = log(1 + 2 sinh²(r / 2)): exact where cosh r rounds to one.
    near = torch.log1p(2 * torch.sinh(r.clamp(-1, 1) / 2) ** 2)
    # In float32 cosh 90 overflows; its logarithm is less than 90.
    size = r.abs()
    far = size + torch.log1p(torch.exp(-2 * size)) - math.log(2)
    loss = delta**2 * torch.where(size < 1, near, far)
    return reduce(loss, reduction, dtype)


@fused(fast.huber, "input", least=1 << 20, shortcut=fast.torch_s_huber)
def huber_loss(
    input: Tensor,
    target: Tensor,
    *,
    delta: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """Squared error for small residuals, absolute error for large ones.

    ρ(r) = r² / 2 if |r| ≤ δ, else δ (|r| − δ / 2)

    Args:
        input: predictions, of any shape, in the units of the target.
        target: observations, of the same shape.
        delta: δ > 0, in units of the target, the residual at which the loss
            turns linear.
        reduction: ``"none"`` (one value per element), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0, in squared units of the target. Its gradient has no
        forward derivative (``torch.func.jvp`` of ``torch.func.grad``).

    Raises:
        TypeError: if a tensor is not floating-point, or δ not a number.
        ValueError: if shapes or devices differ, δ is not positive and finite,
            or the reduction is unknown.

    Reference:
        Huber (1964), Robust estimation of a location parameter.

    >>> r = torch.tensor([0.0, 0.5, 4.0])
    >>> huber_loss(r, torch.zeros(3), reduction="none")
    tensor([0.0000, 0.1250, 3.5000])
    """
    check_pair(input=input, target=target)
    check_positive(delta=delta)
    dtype, x, y = widen(input, target)
    return _torch_s(F.huber_loss, x, y, reduction, dtype, delta=delta)


@fused(fast.quantile, "input", least=1 << 13)
def quantile_loss(
    input: Tensor,
    target: Tensor,
    *,
    quantile: float | Sequence[float] = 0.5,
    reduction: str = "mean",
) -> Tensor:
    """Absolute error, weighed by its sign: least at a quantile.

    ρ(r) = −τ r if r < 0, else (1 − τ) r

    Args:
        input: predictions, of any shape, in the units of the target. For
            several quantiles, one more, last axis with one entry for each.
        target: observations, of the shape of ``input``, without that axis.
        quantile: 0 < τ < 1, the share of observations that shall lie below
            the prediction, or a sequence of such numbers.
        reduction: ``"none"`` (one value per element of ``input``), ``"mean"``
            or ``"sum"``.

    Returns:
        The loss, ≥ 0, in the units of the target; for τ = ½ half of MAE.

    Raises:
        TypeError: if a tensor is not floating-point, or τ not a number.
        ValueError: if shapes or devices do not fit, τ is not between 0 and
            1, or the reduction is unknown.

    Reference:
        Koenker, Bassett (1978), Regression quantiles.

    >>> below, above = torch.tensor([[7.0], [13.0]])
    >>> quantile_loss(below, torch.tensor([10.0]), quantile=0.9)
    tensor(2.7000)
    >>> quantile_loss(above, torch.tensor([10.0]), quantile=0.9)
    tensor(0.3000)
    """
    target = beside_quantiles(input, target, quantile)
    dtype, x, y = widen(input, target)
    tau = torch.as_tensor(quantile, dtype=x.dtype, device=x.device)
    r = x - y
    return reduce(torch.maximum(-tau * r, (1 - tau) * r), reduction, dtype)


def _torch_s(
    loss: Callable[..., Tensor],
    x: Tensor,
    y: Tensor,
    reduction: str,
    dtype: torch.dtype,
    **options: float,
) -> Tensor:
    """Torch's own loss. Its mean of nothing is NaN, and ours is 0."""
    check_reduction(reduction)
    if reduction == "mean" and not x.numel():
        reduction = "sum"
    return loss(x, y, reduction=reduction, **options).to(dtype)


def _root_mean_square(r: Tensor) -> Tensor:
    """√(mean r²), with a zero gradient where every residual is zero."""
    if r.numel() == 0:
        return r.sum()
    # Scaled by the largest residual, squares neither overflow nor vanish.
    largest = r.detach().abs().amax()
    usable = (largest > 0) & largest.isfinite()
    scale = torch.where(usable, largest, 1)
    norm = torch.linalg.vector_norm(r / scale)
    return scale * norm / r.numel() ** 0.5

"""Losses of a residual with their slopes, in one pass."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from handbook_code._checks import check_pair, check_positive
from handbook_code._fused import elementwise
from handbook_code._reduce import check_reduction
from handbook_code.regression._quantiles import beside_quantiles

aten = torch.ops.aten
NUMBERS = {"none": 0, "mean": 1, "sum": 2}  # what its kernels call them


def mae(input, target, *, reduction="mean", wanted):
    check_pair(input=input, target=target)

    def kernel(r: Tensor, slope: Tensor | None) -> Tensor:
        if slope is not None:
            torch.sign(r, out=slope)
        return r.abs_()

    return _of_residuals(kernel, input, target, reduction, wanted)


def mse(input, target, *, reduction="mean", wanted):
    check_pair(input=input, target=target)

    def kernel(r: Tensor, slope: Tensor | None) -> Tensor:
        if slope is not None:
            torch.mul(r, 2, out=slope)
        return r.square_()

    return _of_residuals(kernel, input, target, reduction, wanted)


def huber(input, target, *, delta=1.0, reduction="mean", wanted):
    check_pair(input=input, target=target)
    check_positive(delta=delta)

    def kernel(r: Tensor, slope: Tensor | None) -> Tensor:
        bent = torch.clamp(r, -delta, delta, out=slope)
        return r.sub_(bent, alpha=0.5).mul_(bent)

    return _of_residuals(kernel, input, target, reduction, wanted)


def torch_s_mae(input, target, *, reduction="mean"):
    check_pair(input=input, target=target)
    return _by_torch(aten.l1_loss.default, input, target, reduction)


def torch_s_mse(input, target, *, reduction="mean"):
    check_pair(input=input, target=target)
    return _by_torch(aten.mse_loss.default, input, target, reduction)


def torch_s_huber(input, target, *, delta=1.0, reduction="mean"):
    check_pair(input=input, target=target)
    check_positive(delta=delta)
    kernel = aten.huber_loss.default
    return _by_torch(kernel, input, target, reduction, delta)


def log_cosh(input, target, *, delta=1.0, reduction="mean", wanted):
    check_pair(input=input, target=target)
    check_positive(delta=delta)

    def kernel(r: Tensor, slope: Tensor | None) -> Tensor:
        r.div_(delta)
        if slope is not None:
            torch.tanh(r, out=slope).mul_(delta)
        # log cosh r = log(1 + 2 sinh²(r / 2)), and beyond 80 a straight line
        size = r.abs_()
        bent = size.clamp(max=80)
        line = size.sub_(bent)
        bent.div_(2).sinh_().square_().mul_(2).log1p_()
        return bent.add_(line).mul_(delta**2)

    return _of_residuals(kernel, input, target, reduction, wanted)


def quantile(
    input: Tensor,
    target: Tensor,
    *,
    quantile: float | Sequence[float] = 0.5,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    target = beside_quantiles(input, target, quantile)
    tau = torch.as_tensor(quantile, device=input.device, dtype=torch.float64)

    def kernel(r: Tensor, slope: Tensor | None) -> Tensor:
        # The slope is 1 − τ above the target, −τ below, and −τ + ½ at it.
        side = torch.sign(r, out=slope).add_(1).div_(2).sub_(tau.to(r.dtype))
        return r.mul_(side)

    return _of_residuals(kernel, input, target, reduction, wanted, tau.dim())


def _of_residuals(
    kernel: Callable[[Tensor, Tensor | None], Tensor],
    input: Tensor,
    target: Tensor,
    reduction: str,
    wanted: tuple[bool],
    axes: int = 0,
) -> tuple[Tensor, tuple[Tensor | None]]:
    """``kernel`` may write over the residuals that it is given."""
    loss, slope = elementwise(
        lambda x, y, slope: kernel(x - y, slope),
        input,
        target,
        reduction,
        *wanted,
        axes=axes,
    )
    return loss, (slope,)


def _by_torch(
    kernel: Callable[..., Tensor],
    input: Tensor,
    target: Tensor,
    reduction: str,
    *options: float,
) -> Tensor | None:
    """Torch's kernel, where it has the precision that the formula would."""
    check_reduction(reduction)
    if input.dtype != target.dtype or input.dtype.itemsize < 4:
        return None
    return kernel(input, target, NUMBERS[reduction], *options)

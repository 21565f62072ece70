"""The one place where a loss per sample becomes a number, and its precision.

Losses compute in float32 or wider and return the dtype they were given:
squares and sums of half-precision numbers overflow.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import reduce as fold

import torch
from torch import Tensor


def common(*tensors: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """The common dtype, and that to compute in: float32 or wider."""
    dtype = fold(torch.promote_types, [t.dtype for t in tensors])
    return dtype, torch.promote_types(dtype, torch.float32)


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """What ``x.to(dtype)`` gives, in no time where it is x."""
    return x if x.dtype == dtype else x.to(dtype)


def widen(*tensors: Tensor) -> tuple[torch.dtype, *tuple[Tensor, ...]]:
    """The common dtype, and the tensors in it, or in float32 if narrower."""
    dtype, wide = common(*tensors)
    return dtype, *[cast(t, wide) for t in tensors]


def no_autocast(x: Tensor) -> AbstractContextManager:
    """Inside, autocast rounds no product of matrices on the device of x.

    Devices without autocast, such as meta, are left as they are.
    """
    device = x.device.type
    if torch.amp.is_autocast_available(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def reduce(loss: Tensor, reduction: str, dtype: torch.dtype) -> Tensor:
    """Return ``loss`` itself (``"none"``), its ``"mean"`` or its ``"sum"``.

    The mean of no samples is zero, so that an empty batch has a gradient.
    """
    check_reduction(reduction)
    if reduction == "mean" and loss.numel():
        loss = loss.mean()
    elif reduction != "none":
        loss = loss.sum()
    return cast(loss, dtype)


def check_reduction(reduction: str) -> None:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"reduction: expected 'none', 'mean' or 'sum', got {reduction!r}"
        )

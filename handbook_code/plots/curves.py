"""Losses of one residual as curves."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from torch import Tensor


def profile(losses: dict[str, Callable[..., Tensor]], extent: float) -> None:
    """Losses of one residual and, beside them, the pull of one sample."""
    r = torch.linspace(-extent, extent, 501).double().requires_grad_()
    _, (left, right) = plt.subplots(1, 2)
    for label, loss in losses.items():
        value = loss(r, torch.zeros_like(r), reduction="none")
        (slope,) = torch.autograd.grad(value.sum(), r)
        left.plot(r.detach(), value.detach(), label=label)
        right.plot(r.detach(), slope)
    left.set(title="loss, $ρ(r)$", xlabel="residual $r$")
    right.set(title="influence, $ρ′(r)$", xlabel="residual $r$")
    left.legend(frameon=False, handlelength=1.2)
    plt.show()

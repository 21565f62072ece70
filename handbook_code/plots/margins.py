"""Losses of one margin, and what they make of a probability and of noise."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.plots.curves import DASHES

Losses = Mapping[str, Callable[..., Tensor]]


def margins(
    losses: Losses, extent: tuple[float, float], top: float = 4
) -> None:
    """Losses of one margin and, beside them, their slopes, both cut off."""
    z = torch.linspace(*extent, 601).double().requires_grad_()
    figure, (left, right) = plt.subplots(1, 2)
    steepest = 0.0
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        value = loss(z, torch.ones_like(z), reduction="none")
        (slope,) = torch.autograd.grad(value.sum(), z)
        left.plot(z.detach(), value.detach(), ls=dash, label=label)
        right.plot(z.detach(), slope, ls=dash)
        steepest = min(steepest, slope.min().item())
    for ax in (left, right):
        ax.axvline(0, color="0.6", lw=0.8, zorder=0)
        ax.set(xlabel="margin $z$")
    left.set(title="loss, $φ(z)$", ylim=(-0.04 * top, top))
    low = max(1.1 * steepest, -top)
    right.set(title="slope, $φ′(z)$", ylim=(low, -0.04 * low))
    _legend_below(figure, left)


def minimisers(losses: Losses, extent: float) -> None:
    """The best score for a sample that is positive with probability p."""
    p = torch.linspace(0.005, 0.995, 100).double()
    z = torch.linspace(-extent, extent, 1201).double()
    z = z[z.abs().argsort(stable=True)]  # of equally good ones the smallest
    figure, ax = plt.subplots(figsize=(4.6, 2.9))
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        right = loss(z, torch.ones_like(z), reduction="none")
        wrong = loss(z, -torch.ones_like(z), reduction="none")
        risk = p[:, None] * right + (1 - p[:, None]) * wrong
        ax.plot(p, z[risk.argmin(dim=1)], ls=dash, label=label)
    ax.set(xlabel="probability $p$ of a positive", ylabel="best score")
    _legend_below(figure, ax)


def spreads(
    x: Tensor,
    series: Mapping[str, Tensor],
    xlabel: str,
    ylabel: str,
    names: Sequence[str] | None = None,
) -> None:
    """Mean and spread of the columns, side by side, one step for each x."""
    figure, ax = plt.subplots(figsize=(5.2, 2.9))
    steps = torch.arange(len(x))
    for n, ((label, runs), dash) in enumerate(
        zip(series.items(), cycle(DASHES))
    ):
        place = steps + (n - (len(series) - 1) / 2) / (4 * len(series))
        ax.errorbar(
            place, runs.mean(1), runs.std(1), fmt="o", ms=4, capsize=2,
            color=f"C{n}",
        )  # fmt: skip
        ax.plot(place, runs.mean(1), ls=dash, lw=1, color=f"C{n}", label=label)
    ax.set_xticks(steps, names or [f"{v:g}" for v in x])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _legend_below(figure, ax)


def _legend_below(figure: plt.Figure, ax: plt.Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False,
        ncols=len(labels) if len(labels) < 4 else 3, handlelength=2.5,
    )  # fmt: skip
    plt.show()

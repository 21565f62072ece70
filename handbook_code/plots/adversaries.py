"""A judge's loss, what slope it passes on, and what a generator makes."""

from collections.abc import Callable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.plots.curves import DASHES

MARKERS = ("o", "s", "^", "D")


def by_logit(
    losses: Mapping[str, Callable[[Tensor], Tensor]], extent: float
) -> None:
    """A generator's loss of one sample, and its slope, for every logit."""
    z = torch.linspace(-extent, extent, 401).double()
    _, (left, right) = plt.subplots(1, 2)
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        left.plot(z, torch.vmap(loss)(z[:, None]), ls=dash, label=label)
        slope = torch.func.grad(lambda z, loss=loss: loss(z[None]))
        right.plot(z, torch.vmap(slope)(z), ls=dash)
    for ax in (left, right):
        ax.axvline(0, color="0.6", lw=0.8, zorder=0)
        ax.set(xlabel=r"logit $\tilde{z}$ of a made sample")
    left.set(title="generator's loss")
    right.set(title="its slope in the logit")
    left.legend(frameon=False, handlelength=2.5)
    plt.show()


def apart(
    theta: Tensor,
    panels: Mapping[str, Mapping[str, tuple[Tensor | None, Tensor | None]]],
) -> None:
    """What is exact, as lines, and what judges found, as dots."""
    fine = torch.linspace(theta.min(), theta.max(), 401)
    _, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, series) in zip(axes[0], panels.items(), strict=True):
        looks = zip(series.items(), cycle(DASHES), cycle(MARKERS))
        for number, ((label, (exact, found)), dash, mark) in enumerate(looks):
            colour = f"C{number}"
            if exact is not None:
                name = label if found is None else None
                ax.plot(fine, exact(fine), color=colour, ls=dash, label=name)
            if found is not None:
                ax.plot(theta, found, mark, color=colour, ms=4, label=label)
        ax.axvline(0, color="0.6", lw=0.8, zorder=0)
        ax.set(title=title, xlabel=r"place $θ$ of the made line")
        ax.legend(frameon=False, handlelength=1.5, fontsize=8)
    plt.show()


def reaching(steps: Tensor, series: Mapping[str, Tensor]) -> None:
    """Size of the slope that reaches a generator while its judge learns.

    Each of the series holds one run a column.
    """
    _, ax = plt.subplots(figsize=(5.2, 2.8))
    looks = zip(series.items(), cycle(DASHES), strict=False)
    for number, ((label, slopes), dash) in enumerate(looks):
        size = slopes.abs()
        colour = f"C{number}"
        ax.plot(steps, size, color=colour, lw=0.5, alpha=0.5)
        middle = size.log().mean(1).exp()
        ax.plot(steps, middle, color=colour, ls=dash, label=label)
    ax.set(yscale="log", xlabel="steps of the judge", ylabel="slope in $θ$")
    ax.legend(
        frameon=False, handlelength=2.5, loc="center left",
        bbox_to_anchor=(1, 0.5),
    )  # fmt: skip
    plt.show()


def paths(runs: Mapping[str, Tensor], ylabel: str) -> None:
    """One number of a generator, step by step, one run a column."""
    _, ax = plt.subplots(figsize=(5.2, 2.6))
    for number, (label, path) in enumerate(runs.items()):
        dash = DASHES[number % len(DASHES)]
        lines = ax.plot(path, color=f"C{number}", ls=dash, lw=1)
        lines[0].set_label(label)
    ax.axhline(0, color="0.6", lw=0.8, zorder=0)
    ax.set(xlabel="step of the generator", ylabel=ylabel)
    ax.legend(
        frameon=False, handlelength=2.5, loc="center left",
        bbox_to_anchor=(1, 0.5),
    )  # fmt: skip
    plt.show()


def made(panels: Mapping[str, Tensor], modes: Tensor) -> None:
    """Samples in the plane, over the centres of where they should be."""
    size = (6.8, 6.8 / len(panels) + 0.3)
    _, axes = plt.subplots(1, len(panels), figsize=size)
    for ax, (title, points) in zip(axes, panels.items(), strict=True):
        ax.plot(*modes.T, "o", color="C1", ms=12, mfc="none", mew=0.8)
        ax.plot(*points.T, ".", color="C0", ms=2, mew=0, alpha=0.6)
        ax.set(title=title, xticks=[], yticks=[], aspect="equal")
        ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
        for spine in ax.spines.values():
            spine.set_visible(False)
    plt.show()


def tracking(
    panels: Mapping[str, tuple[Tensor, Tensor]], xlabel: str, ylabel: str
) -> None:
    """A loss against a quality along training, one run a colour."""
    _, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, (loss, quality)) in zip(
        axes[0], panels.items(), strict=True
    ):
        runs = zip(loss.T, quality.T, strict=True)
        for number, (x, y) in enumerate(runs):
            mark = MARKERS[number % len(MARKERS)]
            ax.plot(x, y, color=f"C{number}", lw=0.6, alpha=0.6)
            ax.plot(x, y, mark, color=f"C{number}", ms=2.5)
        ax.set(title=title, xlabel=xlabel)
    axes[0][0].set(ylabel=ylabel)
    plt.show()

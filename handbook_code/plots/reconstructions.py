"""Likelihoods with a learnt width, and what reconstructions keep."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.plots.curves import DASHES

QUIET = "0.55"


def likelihoods(
    losses: Mapping[str, Callable[..., Tensor]], residuals: Sequence[float]
) -> None:
    """What an observation costs as the logarithm of the width is varied."""
    s = torch.linspace(-6, 4, 501).double()
    _, axes = plt.subplots(1, len(losses), sharey=True, squeeze=False)
    for ax, (title, loss) in zip(axes[0], losses.items(), strict=True):
        for r, dash in zip(residuals, DASHES, strict=False):
            zero = torch.zeros_like(s)
            value = loss(zero, s, zero + r, reduction="none")
            (line,) = ax.plot(s, value, ls=dash, label=f"residual {r:g}")
            if r:
                best = value.argmin()
                ax.plot(
                    s[best], value[best], "o", ms=5, color=line.get_color()
                )
        ax.set(title=title, xlabel="logarithm of the width, $s$", ylim=(-3, 6))
    axes[0][0].set(ylabel="loss, nats")
    axes[0][0].legend(frameon=False, handlelength=2.4, loc="lower right")
    plt.show()


def exchanged(gains: Mapping[str, Tensor], unit: str) -> None:
    """What each of several gains or loses, one dot a run, in their order."""
    order = sorted(gains, key=lambda name: gains[name].mean().item())
    _, ax = plt.subplots(figsize=(6.8, 0.24 * len(order) + 0.7))
    ax.axvline(0, color=QUIET, lw=0.8, zorder=0)
    for place, name in enumerate(order):
        middle = gains[name].mean()
        colour, mark = ("C0", "o") if middle > 0 else ("C1", "X")
        ax.plot([0, middle], [place] * 2, color=colour, lw=1)
        places = [place] * len(gains[name])
        ax.plot(gains[name], places, mark, color=colour, ms=4, alpha=0.7)
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel=unit)
    plt.show()


def kept_power(
    panels: Mapping[str, Mapping[str, Tensor]], first: int = 1
) -> None:
    """Power of reconstructions by frequency, as a share of the truth's."""
    _, axes = plt.subplots(1, len(panels), sharey=True, squeeze=False)
    for ax, (title, lines) in zip(axes[0], panels.items(), strict=True):
        ax.axhline(1, color=QUIET, lw=0.8, ls=":", zorder=0)
        for (label, kept), dash in zip(lines.items(), DASHES, strict=False):
            places = range(first, first + len(kept))
            ax.plot(places, kept, marker="o", ls=dash, ms=3.5, label=label)
        ax.set(title=title, xlabel="frequency, half waves a block")
        ax.set(ylim=(-0.05, 1.65), yticks=[0, 0.5, 1])
        ax.legend(frameon=False, handlelength=2.4, ncols=2, loc="upper right")
    axes[0][0].set(ylabel="share of the power")
    plt.show()


def covered(
    panels: Mapping[str, Mapping[str, Tensor]], levels: Sequence[float]
) -> None:
    """Shares by group, one line a run, and the level that is wanted."""
    _, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, methods), level in zip(
        axes[0], panels.items(), levels, strict=True
    ):
        ax.axhline(level, color=QUIET, lw=0.8, ls=":", zorder=0)
        for n, (label, runs) in enumerate(methods.items()):
            places = range(1, runs.shape[1] + 1)
            for k, run in enumerate(runs):
                ax.plot(
                    places, run, marker="os"[n], color=f"C{n}", ms=3.5,
                    lw=1, ls=DASHES[n], label=None if k else label,
                )  # fmt: skip
        ax.set_xticks(places, ["quiet", *[""] * (len(places) - 2), "busy"])
        ax.set(title=title)
        ax.legend(frameon=False, handlelength=2.4)
    plt.show()

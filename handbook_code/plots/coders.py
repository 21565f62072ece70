"""Coders of images: who judges them how, and one over another."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator
from torch import Tensor

from handbook_code.plots.pictures import COLOURS, LINES, QUIET


def judged_coders(
    scores: Mapping[str, Mapping[str, Tensor]],
    known: Mapping[str, float],
    *,
    rule: int,
) -> None:
    """For each judge (a panel) and method (a row) a dot for every start.

    ``known`` has lines of what needs no training, in the first panel's
    unit. A line before the row ``rule``.
    """
    rows = list(next(iter(scores.values())))
    _, axes = plt.subplots(
        1, len(scores), sharey=True, figsize=(6.8, 0.3 * len(rows) + 1.1)
    )
    for axis, (judge, methods) in zip(axes, scores.items(), strict=True):
        for row, values in enumerate(methods.values()):
            axis.plot(
                values, [row] * len(values), "o", ms=4, mfc="none",
                color=COLOURS[0] if row < rule else COLOURS[1],
            )  # fmt: skip
        axis.axhline(rule - 0.5, color=QUIET, lw=0.8)
        axis.set(xlabel=judge, xscale="log", ylim=(len(rows) - 0.5, -0.5))
        axis.grid(axis="y", lw=0.3)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.tick_params(axis="x", labelsize=7)
        axis.minorticks_off()
    for (label, value), line in zip(known.items(), LINES[1:], strict=False):
        axes[0].axvline(value, color=QUIET, ls=line, label=label)
    axes[0].set_yticks(range(len(rows)), rows)
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, fontsize=8,
        loc="outside lower center", ncols=len(known),
    )  # fmt: skip
    plt.show()


def quotients(
    panels: Mapping[str, tuple[Sequence[float], Mapping[str, Tensor]]],
    ylabel: str,
) -> None:
    """Ratios (points, starts) along lines: thin each start, thick the mean.

    The mean is that of the logarithms. All names are in the first panel.
    """
    names = list(next(iter(panels.values()))[1])
    _, axes = plt.subplots(1, len(panels), sharey=True, figsize=(6.8, 2.9))
    for axis, (xlabel, (x, lines)) in zip(axes, panels.items(), strict=True):
        axis.axhline(1, color=QUIET, lw=0.8, ls="--")
        for name, ratios in lines.items():
            n = names.index(name)
            look = {"color": COLOURS[n], "ls": LINES[n]}
            axis.plot(x, ratios, lw=0.6, alpha=0.6, **look)
            mean = ratios.log().mean(1).exp()
            axis.plot(x, mean, lw=2, label=name, **look)
        axis.set(xlabel=xlabel, yscale="log")
        axis.set_yticks([0.5, 1, 2], ["0.5", "1", "2"])
        axis.minorticks_off()
    axes[0].set_ylabel(ylabel)
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, fontsize=8,
        loc="outside lower center", ncols=4, handlelength=2.4,
    )  # fmt: skip
    plt.show()


def gain_in_training(
    panels: Mapping[str, Mapping[str, tuple[Sequence[int], Tensor]]],
    ylabel: str,
) -> None:
    """Ratios (looks, starts) over updates: the mean, and the deviation."""
    _, axes = plt.subplots(1, len(panels), sharey=True, figsize=(6.8, 2.9))
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        axis.axhline(1, color=QUIET, lw=0.8, ls="--")
        for (name, (updates, ratios)), colour, style in zip(
            lines.items(), COLOURS, LINES, strict=False
        ):
            mean, spread = ratios.mean(1), ratios.std(1)
            axis.fill_between(
                updates, mean - spread, mean + spread, color=colour,
                alpha=0.2, lw=0,
            )  # fmt: skip
            axis.plot(updates, mean, style, color=colour, label=name)
        axis.set(title=title, xlabel="updates")
        axis.legend(frameon=False, fontsize=8, handlelength=2.4)
    axes[0].set_ylabel(ylabel)
    plt.show()

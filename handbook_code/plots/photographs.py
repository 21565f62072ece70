"""Densities of photographs, and how sensitive distances are to their noise."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.plots.pictures import COLOURS, QUIET

DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
MARKS = "osD^vP"


def by_noise(
    strengths: Sequence[float],
    panels: Mapping[str, Mapping[str, Tensor]],
    ylabel: str,
) -> None:
    """Correlations against the strength of noise: means, and their range.

    A panel maps a name to rows of correlations, one for each run.
    """
    figure, axes = plt.subplots(
        1, len(panels), sharey=True, figsize=(6.8, 3.1), squeeze=False
    )
    for axis, (title, lines) in zip(axes[0], panels.items(), strict=True):
        axis.axhline(0, color=QUIET, lw=0.8, zorder=0)
        for n, (name, runs) in enumerate(lines.items()):
            colour = COLOURS[n]
            axis.fill_between(
                strengths, runs.amin(0), runs.amax(0), color=colour,
                alpha=0.2, lw=0,
            )  # fmt: skip
            axis.plot(
                strengths, runs.mean(0), color=colour, ls=DASHES[n],
                marker=MARKS[n], ms=4, label=name,
            )  # fmt: skip
        axis.set(title=title, xscale="log", xlabel="σ of the noise, in levels")
        axis.set_xticks(strengths, [f"{s:g}" for s in strengths])
        axis.minorticks_off()
    axes[0][0].set(ylabel=ylabel)
    figure.legend(
        *axes[0][0].get_legend_handles_labels(), frameon=False, ncols=3,
        loc="outside lower center", handlelength=2.6,
    )  # fmt: skip
    plt.show()


def by_probability(
    log_p: Tensor, panels: Mapping[str, Tensor], pictures: Mapping[str, Tensor]
) -> None:
    """Sensitivities of patches against their log-probability for a pixel.

    ``pictures`` says which patches come from which. The dashed line has the
    slope one.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(6.8, 3.0))
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        for n, (name, chosen) in enumerate(pictures.items()):
            axis.plot(
                log_p[chosen], values[chosen], MARKS[n], color=COLOURS[n],
                ms=3, alpha=0.7, mew=0, label=name,
            )  # fmt: skip
        ends = torch.stack([log_p.min(), log_p.max()])
        middle = log_p.median()
        line = values.median() * torch.exp(ends - middle)
        axis.plot(ends, line, color=QUIET, ls="--", lw=1, label="slope 1")
        axis.set(
            title=title, yscale="log", xlabel="$\\log p\\,/\\,N$, in nats"
        )
    axes[0].set(ylabel="sensitivity")
    figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, ncols=4,
        loc="outside lower center",
    )  # fmt: skip
    plt.show()


def by_bits(
    bits: Mapping[str, Sequence[float]],
    panels: Mapping[str, Mapping[str, Tensor]],
) -> None:
    """How well densities rank, against the bits they need for a pixel.

    ``bits`` has the values of several runs, a panel the correlations.
    """
    _, axes = plt.subplots(
        1, len(panels), sharey=True, figsize=(6.8, 2.9), squeeze=False
    )
    for axis, (title, ranks) in zip(axes[0], panels.items(), strict=True):
        for n, (name, values) in enumerate(ranks.items()):
            axis.plot(
                torch.as_tensor(bits[name]), values, MARKS[n],
                color=COLOURS[n], ms=5, alpha=0.8, mew=0, label=name,
            )  # fmt: skip
        axis.set(title=title, xlabel="bits for a pixel, held-out pictures")
        axis.invert_xaxis()
    axes[0][0].set(ylabel="rank correlation")
    axes[0][-1].figure.legend(
        *axes[0][0].get_legend_handles_labels(), frameon=False, ncols=4,
        loc="outside lower center",
    )  # fmt: skip
    plt.show()

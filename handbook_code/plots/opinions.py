"""How far distances agree with a judge, by rate and by what is ranked."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from torch import Tensor

from handbook_code.plots.pictures import BLUE, GREEN, ORANGE, PURPLE

LOOKS = (
    (BLUE, "o", "-"),
    (ORANGE, "s", "-"),
    (GREEN, "^", "--"),
    (PURPLE, "D", "--"),
)
DASHES = ("-", ":", "-.")


def agreement_by_rate(
    judges: Mapping[str, Mapping[str, Tensor]],
    rates: Mapping[str, Tensor],
    controls: Mapping[str, Mapping[str, float]],
) -> None:
    """A panel for each judge: rank correlations against bits per pixel.

    ``judges`` maps a judge to lines, each (weights, seeds), and ``rates`` a
    line to bits of the same shape: dots are coders, lines go through means.
    ``controls`` maps a judge to levels that have no rate.
    """
    figure, axes = plt.subplots(
        1, len(judges), sharey=True, figsize=(6.8, 3.1), squeeze=False
    )
    axes = axes[0]
    for ax, (judge, lines) in zip(axes, judges.items(), strict=True):
        for (name, level), dash in zip(
            controls[judge].items(), DASHES, strict=False
        ):
            ax.axhline(level, color="0.45", ls=dash, lw=1.1, label=name)
        for (name, values), (colour, mark, dash) in zip(
            lines.items(), LOOKS, strict=True
        ):
            bits, look = rates[name], {"color": colour, "marker": mark}
            ax.plot(bits.flatten(), values.flatten(), ls="", ms=3, **look)
            ax.plot(bits.mean(1), values.mean(1), ls=dash, color=colour)
            ax.plot([], [], ls=dash, ms=3, label=name, **look)
        ax.set(title=judge, xlabel="bits per pixel", xlim=(0, None))
        ax.axhline(0, color="0.8", lw=0.6, zorder=0)
    axes[0].set_ylabel("rank correlation")
    figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False,
        loc="outside lower center", ncols=3, handlelength=2.4,
    )  # fmt: skip
    plt.show()


def agreement_within(
    table: Mapping[str, Mapping[str, Mapping[str, float]]],
    names: Sequence[str],
) -> None:
    """A panel for each judge: rows are what is ranked, marks are distances.

    ``table`` maps a judge to rows, and a row to a value for each distance.
    """
    _, axes = plt.subplots(1, len(table), sharey=True, figsize=(6.8, 2.5))
    for ax, (judge, rows) in zip(axes, table.items(), strict=True):
        ax.axvline(0, color="0.8", lw=0.6, zorder=0)
        for place, values in enumerate(rows.values()):
            ax.axhline(place + 0.5, color="0.9", lw=0.6, zorder=0)
            for n, (name, look) in enumerate(zip(names, LOOKS, strict=False)):
                down = place + 0.13 * (n - (len(names) - 1) / 2)
                ax.plot(values[name], down, look[1], color=look[0], ms=4.5)
        ax.set(title=judge, xlabel="rank correlation", xlim=(-0.65, 1.05))
        ax.set_yticks(range(len(rows)), rows, color="0.35")
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(rows) - 0.5, -0.5)
    for name, (colour, mark, _) in zip(names, LOOKS, strict=False):
        axes[0].plot([], [], mark, color=colour, ms=4.5, label=name)
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False,
        loc="outside lower center", ncols=4,
    )  # fmt: skip
    plt.show()

"""Which losses are one function, and what each makes of a probability."""

from collections.abc import Iterable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.patches import Arc
from torch import Tensor

from handbook_code.plots.curves import DASHES


def kinships(
    home: Mapping[str, str],
    links: Iterable[tuple[str, str]],
    bow: float = 0.75,
) -> None:
    """Names with their chapters; arcs join two that are the same somewhere.

    Few names want arcs with a wider ``bow``.
    """
    links = list(links)
    place = {name: -n for n, name in enumerate(home)}
    longest = max(abs(place[a] - place[b]) for a, b in links)
    edge = 0.5 + bow * longest**0.75 / 2
    chapters = list(dict.fromkeys(home.values()))
    colour = {chapter: f"C{n % 6}" for n, chapter in enumerate(chapters)}
    width = 6.4 * (12.2 + edge) / 20.2
    _, ax = plt.subplots(figsize=(width, 0.2 * len(home)))
    for name, y in place.items():
        ax.plot(0, y, "o", ms=4, color=colour[home[name]])
        ax.annotate(
            name.replace("_", " "), (0, y), xytext=(-8, 0), ha="right",
            textcoords="offset points", va="center",
        )  # fmt: skip
    for first, second in links:
        top, bottom = place[first], place[second]
        alike = home[first] == home[second]
        height = abs(top - bottom)
        arc = Arc(
            (0, (top + bottom) / 2), bow * height**0.75, height, theta1=-90,
            theta2=90, lw=1.4 if alike else 1, ls="-" if alike else "--",
            color=colour[home[first]] if alike else "0.5",
        )  # fmt: skip
        ax.add_patch(arc)
    for chapter in chapters:
        members = [y for name, y in place.items() if home[name] == chapter]
        ax.plot(
            [-6.4, -6.4], [members[0] + 0.2, members[-1] - 0.2], lw=3,
            color=colour[chapter],
        )  # fmt: skip
        ax.annotate(
            chapter, (-6.4, (members[0] + members[-1]) / 2), xytext=(-6, 0),
            textcoords="offset points", ha="right", va="center",
        )  # fmt: skip
    ax.set(xlim=(-12.2, edge), ylim=(-len(home) + 0.4, 0.6))
    ax.axis("off")
    plt.show()


def answers(p: Tensor, said: Mapping[str, Tensor]) -> None:
    """Predicted against true probabilities."""
    _, ax = plt.subplots(figsize=(5.2, 2.9))
    ax.axline((0, 0), slope=1, color="0.6", lw=0.8, zorder=0)
    for (label, q), dash in zip(said.items(), cycle(DASHES)):
        ax.plot(p, q, ls=dash, label=label)
    ax.set(xlabel="probability $p$", ylabel="predicted")
    ax.legend(frameon=False, handlelength=2.5, loc="upper left",
              bbox_to_anchor=(1, 1))  # fmt: skip
    plt.show()


def answers_by_group(
    chance: Tensor, answered: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Best answers against chances, a panel for each group."""
    _, axes = plt.subplots(
        len(answered), figsize=(4.6, 1.95 * len(answered)), sharex=True
    )
    for ax, (group, losses) in zip(axes, answered.items(), strict=True):
        ax.axline((0, 0), slope=1, color="0.6", lw=0.8, zorder=0)
        for (label, best), dash in zip(losses.items(), cycle(DASHES)):
            ax.plot(chance, best, ls=dash, label=label)
        ax.set(title=group, ylabel="best $p$", ylim=(-0.03, 1.03))
        ax.set(xlim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        ax.legend(frameon=False, handlelength=2.5, loc="upper left",
                  bbox_to_anchor=(1, 1))  # fmt: skip
    axes[-1].set_xlabel("chance $q$")
    plt.show()

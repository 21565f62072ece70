"""What sums of losses ask for."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.plots.curves import DASHES

Answer = Callable[[Callable[..., Tensor], float], float]


def soft_answers(
    answer: Answer, panels: Sequence[Mapping[str, Callable[..., Tensor]]]
) -> None:
    """The best probability for every soft label, beside the label itself."""
    _, axes = plt.subplots(1, len(panels), sharey=True)
    labels = torch.linspace(0.02, 0.98, 49)
    for ax, losses in zip(axes, panels, strict=True):
        ax.plot([0, 1], [0, 1], color="0.7", lw=3, zorder=0)
        for (name, loss), dash in zip(losses.items(), cycle(DASHES)):
            best = [answer(loss, label.item()) for label in labels]
            ax.plot(labels, best, ls=dash, label=name)
        ax.set(xlabel="soft label $q$", aspect="equal")
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2,
            frameon=False, handlelength=2.5,
        )  # fmt: skip
    axes[0].set(ylabel="best probability $p$")
    plt.show()


def part_pulls(
    logits: Tensor, truth: Tensor, pulls: Mapping[str, Tensor]
) -> None:
    """How hard each part pulls at a pixel, by its logit; inside, outside."""
    _, axes = plt.subplots(1, 2, sharey=True)
    for ax, inside in zip(axes, (1, 0), strict=True):
        here = truth == inside
        order = logits[here].argsort()
        for (name, pull), dash in zip(pulls.items(), cycle(DASHES)):
            ax.plot(
                logits[here][order], pull[here][order].abs(), ls=dash,
                label=name,
            )  # fmt: skip
        ax.set(
            title="pixels of marks" if inside else "all others",
            xlabel="logit", yscale="log", ylim=(1e-8, 1e-2),
        )  # fmt: skip
    axes[0].set(ylabel="size of the slope")
    axes[1].legend(frameon=False, handlelength=2.5)
    plt.show()


def mixtures(
    scores: Mapping[str, Tensor],
    best: Mapping[str, Tensor],
    measures: Sequence[str],
) -> None:
    """Scores (rates, runs, measures) of each loss, the best rate in colour."""
    _, axes = plt.subplots(1, len(measures))
    places = torch.arange(len(scores))
    rows = torch.stack(list(scores.values()))
    for n, (ax, measure) in enumerate(zip(axes, measures, strict=True)):
        for mean in rows[..., n].mean(2).T:
            ax.plot(places, mean, color="0.7", lw=1, zorder=0)
        chosen = torch.stack([
            row[best[name], :, n] for name, row in scores.items()
        ])  # fmt: skip
        ax.plot(places, chosen, "o", ms=3, color="C0", alpha=0.6)
        ax.plot(places, chosen.mean(1), color="C0")
        ax.set(ylabel=measure, xticks=places)
        ax.set_xticklabels(scores, rotation=35, ha="right")
    axes[-1].set(yscale="log")
    plt.show()

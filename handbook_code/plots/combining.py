"""What a sum of two losses reaches, and who does the pulling."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
from torch import Tensor

MARKERS = "osD^vP"


def reach(
    front: Sequence[Tensor], points: Mapping[str, Sequence[Tensor]]
) -> None:
    """Two terms of every model, and the models that each way arrives at."""
    _, axes = plt.subplots(
        1, len(points), figsize=(6.4, 2.6), sharex=True, sharey=True
    )
    for ax, (label, (a, b)) in zip(axes, points.items(), strict=True):
        ax.plot(*front, color="0.7", lw=3, solid_capstyle="round")
        ax.plot(a, b, "o", ms=4, color="C0")
        ax.set(title=label, xlabel="$A$", aspect="equal")
    axes[0].set_ylabel("$B$")
    plt.show()


def pulls(steps: Sequence[int], shares: Mapping[str, Sequence[float]]) -> None:
    """The share of one term in the value of the sum, and in its gradient."""
    _, ax = plt.subplots(figsize=(5.2, 2.6))
    for n, (label, share) in enumerate(shares.items()):
        ax.plot(steps, share, label=label, color=f"C{n}", ls=("-", "--")[n])
    ax.axhline(0.5, color="0.6", lw=0.8, zorder=0)
    ax.set(xlabel="step", ylabel="share of the images", ylim=(0, 1))
    ax.legend(frameon=False)
    plt.show()


def fronts(
    losses: Sequence[Mapping[str, Tensor]],
    titles: Iterable[str],
    swept: Sequence[str],
) -> None:
    """A swept weight as a line, rules as marks; a panel per set of runs.

    A set of runs has for each way (seeds, 2) losses: of images, of labels.
    """
    _, axes = plt.subplots(
        1, len(losses), figsize=(7.2, 3.2), layout="constrained",
        sharex=True, sharey=True,
    )  # fmt: skip
    for ax, runs, title in zip(axes, losses, titles, strict=True):
        middle = {name: run.mean(0) for name, run in runs.items()}
        ax.plot(
            [middle[name][0] for name in swept],
            [middle[name][1] for name in swept],
            ".-", color="0.5", label="weights",
        )  # fmt: skip
        rules = [name for name in runs if name not in swept]
        for n, (name, mark) in enumerate(zip(rules, MARKERS, strict=False)):
            ax.errorbar(
                *middle[name], *runs[name].std(0).flip(0), fmt=mark, ms=5,
                color=f"C{n}", lw=1, label=name,
            )  # fmt: skip
        ax.set(title=title, xlabel="loss of images", yscale="log")
        ax.set_yticks((0.2, 0.5, 1), ("0.2", "0.5", "1"))
        ax.set_yticks((), minor=True)
    axes[0].set_ylabel("loss of labels")
    figure = axes[0].figure
    figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, ncols=3,
        loc="outside lower center",
    )  # fmt: skip
    plt.show()

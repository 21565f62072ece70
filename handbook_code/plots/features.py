"""What a network minds, by how deep one looks into it."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
from torch import Tensor

from handbook_code.plots.curves import DASHES


def by_depth(blocks: Tensor, shares: Mapping[str, Tensor]) -> None:
    """A line for each way to spoil a picture, named at its end."""
    _, ax = plt.subplots(figsize=(5.6, 2.6))
    ax.axhline(1, color="0.6", lw=0.8, zorder=0)
    ends = _apart([share[-1].item() for share in shares.values()])
    looks = zip(shares.items(), cycle(DASHES))
    for n, ((label, share), dash) in enumerate(looks):
        ax.plot(blocks, share, marker="o", ms=3, ls=dash, color=f"C{n}")
        ax.annotate(
            label,
            (blocks[-1], ends[n]),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=f"C{n}",
        )
    ax.set(xlabel="block", ylabel="loss, relative to noise", ylim=(0, None))
    ax.set_xticks(blocks.tolist())
    plt.show()


def _apart(heights: list[float], least: float = 0.12) -> list[float]:
    """The same heights, moved up where a label would touch the one below."""
    moved, below = list(heights), -least
    for n in sorted(range(len(heights)), key=heights.__getitem__):
        moved[n] = below = max(heights[n], below + least)
    return moved

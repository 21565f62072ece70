"""What codes cost, and how errors and sensitivities follow a density."""

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import torch
from torch import Tensor

QUIET = "0.55"
MARKS = ("o", "s", "^", "D")


def noisy_codes(
    samples: Tensor, price: Callable[[Tensor], Tensor], reach: int
) -> None:
    """A code, what noise and rounding make of it, and the learnt density.

    ``price`` gives the bits of single codes, (M, 1).
    """
    fine = torch.linspace(-reach, reach, 40 * reach + 1)
    whole = torch.arange(-reach, reach + 1.0)
    learnt = 2 ** -price(fine[:, None]).flatten()
    noise = torch.rand(samples.shape, generator=torch.manual_seed(0)) - 0.5
    _, axes = plt.subplots(1, 2, sharey=True)
    bins = torch.linspace(-reach, reach, 20 * reach + 1)
    axes[0].hist(
        (samples + noise).numpy(), bins.numpy(), density=True, color="0.75",
        label="codes with noise",
    )  # fmt: skip
    axes[0].plot(fine, learnt, label="learnt density")
    shares = (samples.round()[:, None] == whole).float().mean(0)
    axes[1].bar(whole, shares, width=0.5, color="0.75", label="codes, rounded")
    axes[1].plot(fine, learnt, lw=0.8)
    at = 2 ** -price(whole[:, None]).flatten()
    axes[1].plot(whole, at, "o", color="C0", label="learnt, at whole numbers")
    for ax, title in zip(axes, ("in training", "at test"), strict=True):
        ax.set(title=title, xlabel="$y$", xlim=(-reach, reach))
        ax.set_ylim(0, 1.7 * at.max())
        ax.legend(frameon=False, handlelength=1.2, loc="upper left")
    plt.show()


def crossings(steps: Tensor, ratios: Mapping[str, Tensor]) -> None:
    """Statistics of the slope of a staircase, against the step taken."""
    _, ax = plt.subplots(figsize=(4.6, 2.8))
    dashes = ("-", "--", "-.", ":")
    for (name, values), dash in zip(ratios.items(), dashes, strict=False):
        ax.plot(steps, values, ls=dash, marker="o", ms=3, label=name)
    ax.set(xscale="log", yscale="log")
    ax.set(xlabel="step over width of a cell", ylabel="sensitivity of $D_r$")
    ax.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    ax.legend(frameon=False, handlelength=2.4)
    plt.show()


def codebooks(panels: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Codes in the plane, each dot as large as the share of its samples."""
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 3.2))
    for ax, (title, (codes, shares)) in zip(axes, panels.items(), strict=True):
        used = shares > 0
        ax.scatter(
            *codes[used].T, s=6 + 600 * shares[used], color="C0", alpha=0.6,
            linewidths=0,
        )  # fmt: skip
        ax.set(title=title, aspect="equal", xlim=(-7, 7), ylim=(-7, 7))
        ax.set(xticks=(-6, -3, 0, 3, 6), yticks=(-6, -3, 0, 3, 6))
        ax.set(xlabel="$x_1$", ylabel="$x_2$")
    plt.show()


def by_rate(
    panels: Mapping[str, tuple[Tensor, Mapping[str, Tensor]]], label: str
) -> None:
    """Something of each autoencoder against its bits: dots are runs.

    A panel holds bits (K, seeds) and values of the same shape; lines go
    through the means over the seeds.
    """
    _, axes = plt.subplots(
        1, len(panels), sharey=True, figsize=(6.8, 3), squeeze=False
    )
    for ax, (title, (bits, lines)) in zip(
        axes[0], panels.items(), strict=True
    ):
        ax.axhline(0, color=QUIET, lw=0.8, zorder=0)
        for n, (name, values) in enumerate(lines.items()):
            look = {"color": f"C{n}", "marker": MARKS[n]}
            ax.plot(bits.flatten(), values.flatten(), ls="", ms=3.5, **look)
            ax.plot(bits.mean(1), values.mean(1), ms=0, **look)
            ax.plot([], [], ms=3.5, label=name, **look)
        ax.set(title=title, xlabel="bits for a sample")
    axes[0][0].set_ylabel(label)
    handles, labels = axes[0][0].get_legend_handles_labels()
    axes[0][-1].figure.legend(
        handles, labels, frameon=False, loc="outside lower center", ncols=4
    )
    plt.show()


def by_radius(
    radius: Tensor, panels: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Means in rings around the mode, one line for each rate."""
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 2.8))
    dashes = ("-", "--", "-.")
    for ax, (title, lines) in zip(axes, panels.items(), strict=True):
        for (name, values), dash in zip(lines.items(), dashes, strict=False):
            ax.plot(radius, values, ls=dash, marker="o", ms=3, label=name)
        ax.set(title=title, xlabel="distance from the mode", ylim=(0, None))
    axes[0].figure.legend(
        *axes[0].get_legend_handles_labels(), frameon=False, handlelength=2.4,
        loc="outside lower center", ncols=3,
    )  # fmt: skip
    plt.show()


def learnt_cells(
    panels: Mapping[str, tuple[Callable[[Tensor], Tensor], Tensor]],
    extent: float = 5.0,
) -> None:
    """Which samples share a code: cells of a rounded encoder, and their x̂.

    A panel holds the encoder and reconstructions of samples.
    """
    axis = torch.linspace(-extent, extent, 201)
    plane = torch.cartesian_prod(axis, axis)
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 2.7), sharey=True)
    for ax, (title, (encode, answers)) in zip(
        axes, panels.items(), strict=True
    ):
        for code in encode(plane).T:
            edges = torch.arange(code.min().floor(), code.max() + 1) + 0.5
            ax.contour(
                axis, axis, code.view(201, 201).T, edges, colors="0.5",
                linewidths=0.6, linestyles="solid",
            )  # fmt: skip
        ax.plot(*answers.unique(dim=0).T, ".", color="C1", ms=3)
        ax.set(title=title, xlabel="$x_1$", aspect="equal")
        ax.set(xlim=(-extent, extent), ylim=(-extent, extent))
        ax.xaxis.set_major_locator(plt.MaxNLocator(4, prune="both"))
    axes[0].set_ylabel("$x_2$")
    plt.show()


def relative_errors(
    panels: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]],
    label: str,
) -> None:
    """Errors of one coder over those of another, by distance from the mode.

    A panel holds lines by name, each the radii and one or more rows of
    ratios. A theory is dashed, quantisers are marks, others thin lines.
    """
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 3), sharey=True)
    looks = {
        "theory": {"color": "C1", "ls": "--", "lw": 1.4},
        "quantisers": {"color": "C2", "ls": "", "marker": "s", "ms": 4},
    }
    for ax, (title, lines) in zip(axes, panels.items(), strict=True):
        ax.axhline(1, color=QUIET, lw=0.8, zorder=0)
        for name, (radius, ratios) in lines.items():
            look = looks.get(name, {"color": "C0", "lw": 1})
            for row in ratios.reshape(-1, len(radius)):
                ax.plot(radius, row, **look)
            ax.plot([], [], label=name, **look)
        ax.set(title=title, xlabel="distance from the mode", yscale="log")
        ax.set(xlim=(0, None), ylim=(0.06, 1500))
    axes[0].set_ylabel(label)
    axes[0].figure.legend(
        *max(
            (ax.get_legend_handles_labels() for ax in axes),
            key=lambda entry: len(entry[1]),
        ),
        frameon=False, loc="outside lower center", ncols=3,
    )  # fmt: skip
    plt.show()

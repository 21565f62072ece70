"""Angles to the centre of a class, and what a margin makes of them."""

from collections.abc import Callable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import to_rgb
from torch import Tensor

from handbook_code.plots.curves import DASHES
from handbook_code.plots.pictures import COLOURS

NOBODY = "0.72"
Laws = Mapping[str, Callable[[Tensor], Tensor]]


def target_logits(laws: Laws, low: float | None = None) -> None:
    """What replaces the cosine, and how hard it pulls, by the angle."""
    theta = torch.linspace(0.001, torch.pi - 0.001, 721).double()
    degrees = theta.rad2deg()
    figure, (left, right) = plt.subplots(1, 2)
    for (label, law), dash in zip(laws.items(), cycle(DASHES)):
        angle = theta.clone().requires_grad_()
        value = law(angle)
        (slope,) = torch.autograd.grad(value.sum(), angle)
        broken = value.detach().diff().abs() > 0.05  # a jump is no line
        shown, pull = value.detach().clone(), -slope
        shown[1:][broken] = pull[1:][broken] = torch.nan
        left.plot(degrees, shown, ls=dash, label=label)
        right.plot(degrees, pull, ls=dash)
    for ax in (left, right):
        ax.set(xlabel="angle $θ$ to the class's own centre, degrees")
        ax.set_xticks([0, 45, 90, 135, 180])
    left.set(title="target logit $ψ(θ)$")
    left.set_ylim(bottom=low)
    right.set(title="pull, $-ψ′(θ)$")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False,
        ncols=min(len(labels), 5), handlelength=2.5,
    )  # fmt: skip
    plt.show()


def territories(
    losses: Mapping[str, Callable[..., Tensor]], centers: Tensor
) -> None:
    """Where each class is more likely than not, with the margin in force.

    Centers in the plane give a circle, centers in space a ball seen from
    above. Grey belongs to nobody.
    """
    line = torch.linspace(-1.02, 1.02, 260)
    v, u = torch.meshgrid(line.flip(0), line, indexing="ij")
    radius = (u * u + v * v).sqrt()
    if centers.shape[1] == 2:
        points = torch.stack([u, v], dim=-1) / radius[..., None]
        inside = (0.62 < radius) & (radius < 1)
    else:
        height = (1 - radius**2).clamp(min=0).sqrt()
        points = torch.stack([u, v, height], dim=-1)
        inside = radius < 1
    points = points[inside].double()
    colours = torch.tensor([to_rgb(c) for c in COLOURS])
    _, axes = plt.subplots(1, len(losses), figsize=(6.8, 1.95))
    for ax, (title, loss) in zip(axes, losses.items(), strict=True):
        owner = torch.tensor(to_rgb(NOBODY)).expand(len(points), 3).clone()
        for k in range(len(centers)):
            label = torch.full((len(points),), k)
            each = loss(points, centers, label, reduction="none")
            owner[each < torch.log(torch.tensor(2.0))] = colours[k % 6]
        picture = torch.zeros(*radius.shape, 4)
        picture[inside] = torch.cat([owner, torch.ones(len(points), 1)], dim=1)
        ax.imshow(picture, extent=(-1.02, 1.02) * 2)
        seen = centers if centers.shape[1] == 2 else centers[centers[:, 2] > 0]
        ax.plot(*(0.81 if centers.shape[1] == 2 else 1) * seen[:, :2].T,
                "o", ms=3.5, mfc="white", mec="black", mew=0.8)  # fmt: skip
        ax.set_title(title, loc="center")
        ax.axis("off")
    plt.show()


def plane_clouds(panels: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> None:
    """Embeddings in the plane, by class, and the directions of centers."""
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 2.5))
    for ax, (title, (x, centers, y)) in zip(axes, panels.items(), strict=True):
        far = x.norm(dim=1).quantile(0.98).item()
        for k in range(len(centers)):
            colour = COLOURS[k % len(COLOURS)]
            ax.plot(
                *x[y == k].T, ".", ms=2, color=colour, alpha=0.6,
                rasterized=True,
            )  # fmt: skip
            end = far * centers[k] / centers[k].norm()
            ax.plot([0, end[0]], [0, end[1]], color=colour, lw=1)
        ax.set(title=title, xticks=[], yticks=[], aspect="equal")
        ax.set(xlim=(-1.15 * far, 1.15 * far), ylim=(-1.15 * far, 1.15 * far))
    plt.show()


def groups(panels: Mapping[str, Mapping[str, Tensor]], xlabel: str) -> None:
    """Mean and deviation of runs, a row for each name."""
    _, axes = plt.subplots(1, len(panels), sharey=True, squeeze=False)
    for ax, (title, series) in zip(axes[0], panels.items(), strict=True):
        for n, runs in enumerate(series.values()):
            ax.errorbar(
                runs.mean(), -n, xerr=runs.std(), fmt="o", ms=4, capsize=2,
                color=f"C{n % 6}",
            )  # fmt: skip
        ax.set(title=title, xlabel=xlabel, ylim=(0.6 - len(series), 0.4))
        ax.set_xlim(left=0)
        ax.set_yticks([-n for n in range(len(series))], list(series))
    plt.show()

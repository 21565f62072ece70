"""Boxes of centre and sides: their losses, their pulls, their ways."""

from collections.abc import Callable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Polygon, Rectangle
from torch import Tensor

from handbook_code.plots.curves import DASHES

Losses = Mapping[str, Callable[..., Tensor]]
QUIET = "0.55"  # grey that shows on white and on black


def box_profiles(losses: Losses, extent: float) -> None:
    """A unit box slides through another: the loss and its slope in x."""
    x = torch.linspace(-extent, extent, 601).double().requires_grad_()
    rest = torch.tensor([0.0, 1.0, 1.0]).double()
    box = torch.cat([x[:, None], rest.expand(len(x), -1)], dim=1)
    figure, (left, right) = plt.subplots(1, 2)
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        value = loss(box, box.detach() * (box.new_tensor([0, 0, 1, 1])),
                     form="cxcywh", reduction="none")  # fmt: skip
        (slope,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
        left.plot(x.detach(), value.detach(), ls=dash, label=label)
        right.plot(x.detach(), slope, ls=dash)
    left.set(title="loss", xlabel="offset of the centres", ylim=(0, None))
    right.set(title="slope when the box moves", xlabel=left.get_xlabel())
    for ax in (left, right):
        ax.axvspan(-1, 1, color="0.5", alpha=0.12, lw=0)
    _legend_below(figure, left)


def box_fields(
    losses: Losses,
    sides: tuple[float, float],
    target: tuple[float, float],
    extent: float,
) -> None:
    """Where a box is pulled, and how hard, by the place of its centre."""
    steps = torch.linspace(-extent, extent, 121).double()
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    size = torch.tensor(sides).double().expand(*x.shape, 2)
    box = torch.cat([torch.stack([x, y], dim=-1), size], dim=-1)
    goal = torch.tensor([0, 0, *target]).double().expand_as(box)
    figure, axes = _six(losses)
    thin = slice(6, None, 12)
    for ax, (label, loss) in zip(axes, losses.items(), strict=True):
        first = box.clone().requires_grad_()
        value = loss(first, goal, form="cxcywh", reduction="sum")
        pull = -torch.autograd.grad(value, first)[0][..., :2]
        force = torch.linalg.vector_norm(pull, dim=-1)
        image = ax.imshow(
            force.clamp(min=1e-3).log10(), origin="lower", cmap="cividis",
            extent=2 * (-extent, extent), vmin=-2.5, vmax=0.2,
        )  # fmt: skip
        here = (thin, thin)
        way = pull[here] / force[here][..., None].clamp(min=1e-9)
        moves = force[here] > 1e-6
        ax.quiver(
            x[here][moves], y[here][moves], *way[moves].T, color="w",
            scale=22, width=0.006, pivot="mid",
        )  # fmt: skip
        _frame(ax, goal[0, 0], color="w", lw=1.2)
        ax.set(title=label, xticks=[], yticks=[])
    bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[-2, -1, 0])
    bar.set_ticklabels(["0.01", "0.1", "1"])
    bar.set_label("pull on the centre")
    plt.show()


def box_paths(
    paths: Mapping[str, Tensor], target: Tensor, shown: list[int]
) -> None:
    """Boxes on their way, of shape (steps, 4), at some of the steps."""
    _, axes = _six(paths)
    shades = plt.get_cmap("cividis")
    for ax, (label, path) in zip(axes, paths.items(), strict=True):
        _frame(ax, target, color=QUIET, lw=0, fill=True, alpha=0.35)
        ax.plot(path[:, 0], path[:, 1], color=QUIET, lw=0.8)
        for n, step in enumerate(shown):
            shade = shades(0.15 + 0.8 * n / max(len(shown) - 1, 1))
            _frame(ax, path[step], color=shade, lw=1.3)
            ax.plot(*path[step, :2], "o", ms=2.5, color=shade)
        ax.set(title=label, xticks=[], yticks=[], aspect="equal")
    corners = torch.cat(
        [torch.stack([p[:, :2] - p[:, 2:] / 2, p[:, :2] + p[:, 2:] / 2])
         for p in paths.values()], dim=1
    )  # fmt: skip
    low, high = corners[0].amin(0) - 0.2, corners[1].amax(0) + 0.2
    for ax in axes:
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    plt.show()


def box_errors(place: Tensor, errors: Mapping[str, Tensor]) -> None:
    """What is left at each place where a box began, darker for less.

    The scale ends with the largest error of all but the worst.
    """
    figure, axes = _six(errors)
    *_, top, _ = sorted(e.max().item() for e in errors.values())
    for ax, (label, error) in zip(axes, errors.items(), strict=True):
        dots = ax.scatter(
            *place.T, c=error, s=9, cmap="cividis", vmin=0, vmax=top,
            linewidths=0,
        )  # fmt: skip
        ax.set(title=label, xticks=[], yticks=[], aspect="equal")
    bar = figure.colorbar(dots, ax=axes, shrink=0.8)
    bar.set_label("mean error")
    plt.show()


def enclosures(first: Tensor, second: Tensor) -> None:
    """Two boxes, the box around both, and their convex hull."""
    corners = [
        (x, y)
        for cx, cy, w, h in (first.tolist(), second.tolist())
        for x in (cx - w / 2, cx + w / 2)
        for y in (cy - h / 2, cy + h / 2)
    ]
    xs, ys = zip(*corners, strict=True)
    _, ax = plt.subplots(figsize=(2.8, 2.4))
    ax.add_patch(
        Polygon(_convex(corners), color="C0", alpha=0.25, lw=0, label="hull")
    )
    ax.add_patch(
        Rectangle(
            (min(xs), min(ys)), max(xs) - min(xs), max(ys) - min(ys),
            fill=False, ls="--", lw=1.4, ec="C1", label="box around both",
        )
    )  # fmt: skip
    for box in (first, second):
        _frame(ax, box, color=QUIET, lw=1.6)
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.autoscale_view()
    ax.legend(
        frameon=False, loc="center left", bbox_to_anchor=(1, 0.5),
        handlelength=1.6,
    )  # fmt: skip
    plt.show()


def around(
    panels: Mapping[str, Mapping[str, Callable[[Tensor], Tensor]]],
) -> None:
    """Losses of a box that walks from level to diagonal around another."""
    angle = torch.linspace(0, 90, 181).double()
    figure, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for (label, curve), dash in zip(curves.items(), cycle(DASHES)):
            ax.plot(angle, curve(angle.deg2rad()), ls=dash, label=label)
        ax.set(title=title, xlabel="angle to the axis, degrees")
        ax.set(xticks=[0, 45, 90])
    axes[0][0].set(ylabel="loss")
    _legend_below(figure, axes[0][0])


def _six(panels: Mapping) -> tuple[plt.Figure, list[plt.Axes]]:
    rows = -(-len(panels) // 3)
    figure, axes = plt.subplots(
        rows, 3, figsize=(6.8, 2.15 * rows), sharex=True, sharey=True
    )
    return figure, axes.ravel().tolist()


def _frame(
    ax: plt.Axes, box: Tensor, color: str, fill: bool = False, **style
) -> None:
    x, y, w, h = box.tolist()
    ax.add_patch(
        Rectangle(
            (x - w / 2, y - h / 2), w, h, fill=fill, color=color, **style
        )
    )


def _convex(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The convex hull, counter-clockwise."""

    def chain(ordered):
        kept = []
        for x, y in ordered:
            while len(kept) > 1 and (
                (kept[-1][0] - kept[-2][0]) * (y - kept[-2][1])
                <= (kept[-1][1] - kept[-2][1]) * (x - kept[-2][0])
            ):
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    ordered = sorted(set(points))
    return chain(ordered) + chain(ordered[::-1])


def _legend_below(figure: plt.Figure, ax: plt.Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False,
        ncols=len(labels) if len(labels) < 4 else 3, handlelength=2.5,
    )  # fmt: skip
    plt.show()

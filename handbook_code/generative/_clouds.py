"""Clouds of points with weights as arguments."""

import torch
from torch import Tensor

from handbook_code._checks import (
    check_count,
    check_floating,
    check_positive,
    check_same_device,
    check_shape,
)
from handbook_code._reduce import widen


def check_clouds(
    x: Tensor,
    y: Tensor,
    epsilon: float,
    a: Tensor | None,
    b: Tensor | None,
    cost: Tensor | None,
    iterations: int,
) -> tuple[torch.dtype, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """Dtype, x, y, a, b and cost, in one dtype; the weights of sum 1."""
    check_positive(epsilon=epsilon)
    check_count(iterations=iterations)
    check_floating(x=x, y=y)
    check_same_device(x=x, y=y)
    if x.dim() != 2:
        raise ValueError(
            f"x: expected one point a row, (N, D), got {tuple(x.shape)}"
        )
    if y.dim() != 2 or y.shape[1] != x.shape[1]:
        raise ValueError(
            f"y: expected points like those of x, (M, {x.shape[1]}), "
            f"got {tuple(y.shape)}"
        )
    if cost is not None:
        check_floating(cost=cost)
        check_same_device(x=x, cost=cost)
        shape = (len(x), len(y))
        check_shape("cost", cost, "a cost for each pair", shape)
    dtype, wide_x, wide_y, *rest = widen(
        x, y, *(t for t in (a, b, cost) if isinstance(t, Tensor))
    )
    return (
        dtype,
        wide_x,
        wide_y,
        _weights("a", a, "x", wide_x),
        _weights("b", b, "y", wide_y),
        None if cost is None else rest[-1],
    )


def _weights(name: str, given: Tensor | None, of: str, x: Tensor) -> Tensor:
    """Of sum 1, or uniform."""
    if given is None:
        return x.new_ones(len(x)) / max(len(x), 1)
    check_floating(**{name: given})
    check_same_device(**{of: x, name: given})
    check_shape(name, given, f"a weight for each point of {of}", (len(x),))
    weights = given.to(x.dtype)
    return weights / weights.sum()

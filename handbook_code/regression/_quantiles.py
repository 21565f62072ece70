"""The checks of one quantile, or of several."""

from collections.abc import Sequence

from torch import Tensor

from handbook_code._checks import (
    check_floating,
    check_inside_unit_interval,
    check_pair,
    check_same_device,
    check_shape,
)


def beside_quantiles(
    input: Tensor, target: Tensor, quantile: float | Sequence[float]
) -> Tensor:
    """The target, with an axis of one where input has one of quantiles."""
    if not isinstance(quantile, Sequence):
        check_pair(input=input, target=target)
        check_inside_unit_interval(quantile=quantile)
        return target
    check_floating(input=input, target=target)
    check_same_device(input=input, target=target)
    if not quantile:
        raise ValueError("quantile: expected at least one, got none")
    for number in quantile:
        check_inside_unit_interval(quantile=number)
    shape = (*target.shape, len(quantile))
    check_shape("input", input, "one entry per quantile", shape)
    return target.unsqueeze(-1)

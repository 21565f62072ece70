"""Argument checks: of shapes, dtypes and numbers, never of tensor values.

Every message reads ``argument: expected this, got that``.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

INFINITY = float("inf")


def check_floating(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{name}: expected a tensor, got {type(tensor).__name__}"
            )
        if not tensor.is_floating_point():
            raise TypeError(
                f"{name}: expected a floating-point tensor, got {tensor.dtype}"
            )


def check_same_device(**tensors: Tensor) -> None:
    (first, model), *others = tensors.items()
    for name, tensor in others:
        if tensor.device != model.device:
            raise ValueError(
                f"{name}: expected the device of {first}, {model.device}, "
                f"got {tensor.device}"
            )


def check_shape(
    name: str, tensor: Tensor, meaning: str, shape: Sequence[int]
) -> None:
    if tensor.shape != torch.Size(shape):
        raise ValueError(
            f"{name}: expected {meaning}, {tuple(shape)}, "
            f"got {tuple(tensor.shape)}"
        )


def check_pair(**tensors: Tensor) -> None:
    """Floating-point tensors of the first one's shape, on its device."""
    check_floating(**tensors)
    (first, model), *others = tensors.items()
    for name, tensor in others:
        if tensor.device != model.device or tensor.shape != model.shape:
            check_same_device(**{first: model, name: tensor})
            check_shape(name, tensor, f"the shape of {first}", model.shape)


def check_indices(
    name: str, tensor: Tensor, meaning: str, shape: Sequence[int]
) -> None:
    """Integers of that shape, such as the class of every sample."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"{name}: expected a tensor, got {type(tensor).__name__}"
        )
    if (
        tensor.is_floating_point()
        or tensor.is_complex()
        or tensor.dtype == torch.bool
    ):
        raise TypeError(
            f"{name}: expected an integer tensor, got {tensor.dtype}"
        )
    check_shape(name, tensor, meaning, shape)


def check_finite(**numbers: float) -> None:
    _check(numbers, "a finite number", lambda n: abs(n) < INFINITY)


def check_positive(**numbers: float) -> None:
    _check(numbers, "a positive finite number", lambda n: 0 < n < INFINITY)


def check_nonnegative(**numbers: float) -> None:
    _check(
        numbers, "a finite number of at least 0", lambda n: 0 <= n < INFINITY
    )


def check_inside_unit_interval(**numbers: float) -> None:
    _check(numbers, "a number between 0 and 1", lambda n: 0 < n < 1)


def check_unit_interval(**numbers: float) -> None:
    _check(numbers, "a number from 0 to 1", lambda n: 0 <= n <= 1)


def check_below_one(**numbers: float) -> None:
    _check(numbers, "a finite number below 1", lambda n: -INFINITY < n < 1)


def check_at_least(minimum: float, **numbers: float) -> None:
    _check(
        numbers,
        f"a finite number of at least {minimum}",
        lambda n: minimum <= n < INFINITY,
    )


def check_count(**numbers: int) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(
                f"{name}: expected a whole number of at least 1, "
                f"got {type(number).__name__}"
            )
    _check(numbers, "a whole number of at least 1", lambda n: n >= 1)


def _check(
    numbers: dict[str, float], meaning: str, fits: Callable[[float], bool]
) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int | float):
            raise TypeError(
                f"{name}: expected {meaning}, got {type(number).__name__}"
            )
        if not fits(number):
            raise ValueError(f"{name}: expected {meaning}, got {number}")

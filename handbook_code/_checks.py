"""Argument checks: of shapes, dtypes and numbers, never of tensor values.

Every message reads ``argument: expected this, got that``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


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
    check_same_device(**tensors)
    (first, model), *others = tensors.items()
    for name, tensor in others:
        check_shape(name, tensor, f"the shape of {first}", model.shape)


def check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        _check_number(name, number, "a positive finite number")
        if not 0 < number < float("inf"):
            raise ValueError(
                f"{name}: expected a positive finite number, got {number}"
            )


def check_inside_unit_interval(**numbers: float) -> None:
    for name, number in numbers.items():
        _check_number(name, number, "a number between 0 and 1")
        if not 0 < number < 1:
            raise ValueError(
                f"{name}: expected a number between 0 and 1, got {number}"
            )


def check_below_one(**numbers: float) -> None:
    for name, number in numbers.items():
        _check_number(name, number, "a finite number below 1")
        if not -float("inf") < number < 1:
            raise ValueError(
                f"{name}: expected a finite number below 1, got {number}"
            )


def _check_number(name: str, number: float, meaning: str) -> None:
    if not isinstance(number, int | float):
        raise TypeError(
            f"{name}: expected {meaning}, got {type(number).__name__}"
        )

"""Any loss function as a module."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Criterion(nn.Module):
    """A loss function with its keyword arguments filled in.

    Tensor arguments, such as class weights, become buffers: they move with
    the module and stand in its ``state_dict``.

    Args:
        function: a loss of this package, or any function of tensors.
        keywords: what to call it with.

    Raises:
        TypeError: if the function has no such keyword argument.

    >>> import torch
    >>> from handbook_code import huber_loss
    >>> criterion = Criterion(huber_loss, delta=2.0)
    >>> criterion
    Criterion(huber_loss, delta=2.0)
    >>> criterion(torch.tensor([4.0]), torch.tensor([0.0]))
    tensor(6.)
    """

    def __init__(self, function: Callable[..., Tensor], **keywords: Any):
        super().__init__()
        known = [
            name
            for name, parameter in inspect.signature(
                function
            ).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        ]
        for name in keywords:
            if name not in known:
                raise TypeError(
                    f"{name}: expected a keyword argument of "
                    f"{function.__name__} ({', '.join(known)}), got {name!r}"
                )
        self.function = function
        self.keywords = tuple(keywords)
        for name, value in keywords.items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *tensors: Tensor) -> Tensor:
        options = {name: getattr(self, name) for name in self.keywords}
        return self.function(*tensors, **options)

    def __repr__(self) -> str:
        values = (
            f"{name}={self._describe(getattr(self, name))}"
            for name in self.keywords
        )
        return f"Criterion({', '.join([self.function.__name__, *values])})"

    @staticmethod
    def _describe(value: Any) -> str:
        if isinstance(value, Tensor):
            return f"tensor of shape {tuple(value.shape)}"
        return repr(value)

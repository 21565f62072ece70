"""A processor that passes for a graphics card, and tells who waits for it."""

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CODE = Path(__file__).resolve().parents[1] / "handbook_code"
# Operators whose result, or its shape, is known to the card alone.
ASKING = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "equal",
    "is_nonzero",
    "unique_dim",
    "unique_consecutive",
    "_unique",
    "_unique2",
    "bincount",
}
# Functions that copy from the processor's memory, which is no page that the
# card can read by itself.
COPYING = {"tensor", "as_tensor", "new_tensor", "cpu", "tolist", "numpy"}


class Card(TorchFunctionMode):
    """Tensors say that they are on a card; what waits for it is kept."""

    def __init__(self):
        super().__init__()
        self.waits: set[tuple[str, str]] = set()
        self._asked = _Asked(self.waits)

    def __enter__(self):
        self._asked.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._asked.__exit__(*error)

    def __torch_function__(self, function, types, args=(), keywords=None):
        keywords = dict(keywords or {})
        name = getattr(function, "__name__", "")
        if function == Tensor.device.__get__:
            return torch.device("cuda")
        if function == Tensor.is_cuda.__get__:
            return True
        if function == Tensor.is_cpu.__get__:
            return False
        device = keywords.get("device")
        on_card = device is not None and torch.device(device).type == "cuda"
        if name in COPYING and (on_card or isinstance(args[0], Tensor)):
            held = args[0] if name == "as_tensor" else None
            if not isinstance(held, Tensor):
                self.waits.add((name, _line()))
        if on_card:
            keywords["device"] = "cpu"
        args = [
            torch.device("cpu") if isinstance(a, torch.device) else a
            for a in args
        ]
        return function(*args, **keywords)


class _Asked(TorchDispatchMode):
    def __init__(self, waits: set):
        super().__init__()
        self._waits = waits

    def __torch_dispatch__(self, operator, types, args=(), keywords=None):
        name = operator._opname
        masks = name in ("index", "index_put", "index_put_") and any(
            isinstance(index, Tensor) and index.dtype == torch.bool
            for index in args[1]
        )
        if name in ASKING or masks or _by_counts(operator, args, keywords):
            self._waits.add((name, _line()))
        return operator(*args, **(keywords or {}))


def _by_counts(operator, args, keywords) -> bool:
    """Repeating by numbers on the card, unless their sum is told."""
    return operator._opname == "repeat_interleave" and not (
        keywords or {}
    ).get("output_size")


def _line() -> str:
    """Of the library, that is on its way."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(CODE):
            return path.relative_to(CODE).as_posix()
        frame = frame.f_back
    return "backward"

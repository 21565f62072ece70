"""Cases in which other implementations and ours give different numbers.

The cases are written down in book/records/implementations.toml, what came of
them in implementations.json beside it; `make implementations` renews that.
Page, directive and tests share this file; the package has no part in it.
"""

import json
import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional

import handbook_code

RECORDS = Path(__file__).resolve().parents[1] / "records"
CONSEQUENCES = ("number", "gradient", "formula", "input", "default")


@dataclass(frozen=True)
class Case:
    """One difference, and the code that shows it.

    ``given`` is executed; ``theirs`` and ``ours`` are then evaluated, the
    first with the ``module`` as ``peer``, or, where the code was only
    ``read``, with what ``given`` writes down of it.
    """

    name: str
    consequence: str
    package: str
    call: str
    loss: str
    says: str
    theirs: str
    ours: str
    test: str
    given: str = ""
    module: str = ""
    read: str = ""
    thread: str = ""


@cache
def cases() -> tuple[Case, ...]:
    text = (RECORDS / "implementations.toml").read_text("utf8")
    return tuple(Case(**entry) for entry in tomllib.loads(text)["case"])


def record() -> dict[str, dict]:
    """Version, date, their value and ours, by the names of the cases."""
    return json.loads((RECORDS / "implementations.json").read_text("utf8"))


def compute(case: Case, whose: str, peer: ModuleType | None = None) -> str:
    """A number in five digits, or the name of the error that was raised."""
    known = {
        "F": functional, "hc": handbook_code, "math": math, "peer": peer,
        "slope": slope, "torch": torch,
    }  # fmt: skip
    torch.manual_seed(0)
    exec(case.given, known)
    try:
        value = eval(getattr(case, whose), known)
    except Exception as error:
        return type(error).__name__
    return f"{float(value):.5g}"


def agree(first: str, second: str) -> bool:
    """To the digits that another processor gives, too."""
    try:
        numbers = float(first), float(second)
    except ValueError:
        return first == second
    if any(map(math.isnan, numbers)):
        return all(map(math.isnan, numbers))
    return math.isclose(*numbers, rel_tol=2e-3, abs_tol=1e-6)


def slope(loss: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The largest partial derivative, by size; NaN if one is."""
    x = x.detach().requires_grad_()
    value = loss(x).sum()
    if not value.requires_grad:
        return torch.zeros(())
    return torch.autograd.grad(value, x)[0].abs().max()

"""What a chapter prints about a catalogue entry: formula, code, properties."""

import ast
import inspect
import os
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from IPython.display import Markdown, Math
from sympy import oo
from tqdm import tqdm

from handbook_code.catalogue import Loss
from handbook_code.catalogue._printer import Printer

T = TypeVar("T")


def definition(loss: Loss, left: str = "L") -> Math:
    """The formula, as a displayed equation, and what it abbreviates."""
    write = Printer().doprint
    rows = [f"{left} &= {write(loss.formula)}"]
    for name, meaning in loss.where.items():
        constant = r"\quad\text{(held constant)}" if name in loss.held else ""
        rows.append(f"{write(name)} &= {write(meaning)}{constant}")
    return Math(r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}")


def source(*things: Loss | Callable) -> Markdown:
    """The code, and the private helpers in its file that it calls.

    Without its docstring: the chapter is the docstring.
    """
    lines = ["```python"]
    for thing in things:
        lines += [*_code(getattr(thing, "function", thing)), "", ""]
    return Markdown("\n".join([*lines[:-2], "```"]))


def _code(function: Callable) -> list[str]:
    text = inspect.getsource(function)
    tree = ast.parse(text)
    lines = text.splitlines()
    if ast.get_docstring(tree.body[0]):
        docstring = tree.body[0].body[0]
        del lines[docstring.lineno - 1 : docstring.end_lineno]
    module = inspect.getmodule(function)
    names = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    for name in dict.fromkeys(names):
        if name.startswith("_") and name != "_":
            helper = inspect.getsource(getattr(module, name))
            lines += ["", "", *helper.splitlines()]
    return lines


def properties(*losses: Loss) -> Markdown:
    """Which loss has which property. The tests confirm every ✓ and every ✗."""
    names = sorted(set().union(*(loss.properties for loss in losses)))
    rows = [["loss", "range", *names], ["---"] * (len(names) + 2)]
    for loss in losses:
        marks = ["✓" if name in loss.properties else "✗" for name in names]
        low, high = loss.bounds
        write = Printer().doprint
        left, right = "(" if low == -oo else "[", ")" if high == oo else "]"
        ends = f"{left}{write(low)}, {write(high)}{right}"
        rows.append([f"`{loss.name}`", f"${ends}$", *marks])
    return table(rows)


def noise(*losses: Loss) -> Markdown:
    """The density for which a loss is the negative logarithm."""
    normaliser = r"normaliser $Z = \int e^{-\rho}$"
    rows = [["loss", r"formula $\rho(r)$", "noise", normaliser]]
    rows.append(["---"] * 4)
    write = Printer().doprint
    for loss in losses:
        name, normaliser = loss.noise
        formulas = (f"${write(f)}$" for f in (loss.formula, normaliser))
        rho, z = formulas
        rows.append([f"`{loss.name}`", rho, name, z])
    return table(rows)


def contents(*losses: Loss) -> Markdown:
    """Where each loss stands: its part, its chapter, and a link to it."""
    rows = [["part", "chapter", "losses"], ["---"] * 3]
    places = dict.fromkeys(loss.chapter for loss in losses)
    for place in places:
        part, chapter = place.split("/")
        links = (
            f"[`{loss.name}`](#{loss.name.replace('_', '-')})"
            for loss in losses
            if loss.chapter == place
        )
        rows.append([part, chapter, " · ".join(links)])
    return table(rows)


def progress(steps: Iterable, label: str) -> Iterable:
    """A bar, with its seconds, for a cell that takes long.

    Silent in builds and in tests.
    """
    silent = "HANDBOOK_SILENT" in os.environ
    return tqdm(steps, desc=label, disable=silent)


def scale(book: T, full: T) -> T:
    """The first, or with HANDBOOK_SCALE=full in the environment the second.

    The book is built with the first, in minutes on a laptop.
    """
    return full if _full() else book


def device() -> torch.device:
    """Where a chapter trains: at full scale on a graphics card if any."""
    card = _full() and torch.cuda.is_available()
    return torch.device("cuda" if card else "cpu")


def _full() -> bool:
    asked = os.environ.get("HANDBOOK_SCALE", "book")
    if asked not in ("book", "full"):
        raise ValueError(f"HANDBOOK_SCALE: expected book or full, got {asked}")
    return asked == "full"


def table(rows: list[list[str]]) -> Markdown:
    """A table of text; its second row says how the columns are aligned."""
    # A bar inside a cell would end it.
    lines = (" | ".join(c.replace("|", r"\vert ") for c in r) for r in rows)
    return Markdown("\n".join(f"| {line} |" for line in lines))

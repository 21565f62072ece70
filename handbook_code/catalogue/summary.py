"""What there is to say of every loss, as ``losses.json``: `make losses`.

The chooser, the readers' cards and ``python -m handbook_code`` read that file.
Formulas, ranges and properties come from the catalogue, whose claims are
tested; shapes, examples and needs from code and docstring; the rest from
``advice.toml``.
"""

import doctest
import inspect
import json
import re
import tomllib
from functools import partial
from importlib.resources import files
from pathlib import Path

import sympy as sp
from sympy.core.relational import Relational

from handbook_code.catalogue import CATALOGUE, Loss
from handbook_code.catalogue._printer import Printer

PACKAGE = files("handbook_code")
ADVICE = PACKAGE / "catalogue" / "advice.toml"
LOSSES = PACKAGE / "losses.json"
SHORT = 170  # characters of LaTeX that fit on a line of a card

# What a call asks for besides predictions and targets, by the names of
# arguments that show it.
NEEDS = {
    "pairs": {"same", "query"},
    "triplets": {"negative"},
    "class labels": {"labels"},
    "class centers": {"centers"},
    "a network": {
        "autoencoder", "critic", "distance", "encoder", "extractor", "model",
        "response", "score",
    },
    "an opponent": {
        "critic", "fake_logits", "fake_scores", "real_logits", "real_scores",
    },
    "a distance map": {"distance_map"},
    "noise": {"noise"},
    "a predicted width": {"log_variance", "log_scale"},
    "the range of the data": {"data_range"},
}  # fmt: skip

# Of which predictions robust is asked.
ROBUST = ("numbers", "boxes", "scores", "logits")

# Yes or no, each found by a test; in these words on the page and in help.
TRAITS = {
    "robust": "one sample, however wrong, pulls no harder than a bound times "
    "what the others pull",
    "convex": "convex in the prediction",
    "smooth": "neither slope nor curvature jumps",
    "differentiable": "the slope never jumps",
    "bounded": "its values have a ceiling",
    "bounded gradient": "the slope is bounded, wherever the prediction is",
    "handles imbalance": "easy background, however much is added, changes "
    "neither value nor gradient",
}


def summaries() -> dict:
    """All that is in the file."""
    advice = tomllib.loads(ADVICE.read_text("utf8"))
    lists = advice.pop("lists") | {"needs": list(NEEDS), "traits": TRAITS}
    return {
        "lists": lists,
        "losses": [
            summary(loss, advice.get(loss.name, {})) for loss in CATALOGUE
        ],
    }


def summary(loss: Loss, advice: dict) -> dict:
    documented = inspect.getdoc(loss.function)
    idea, formula, *_ = documented.split("\n\n")
    cited = re.search(r"^Reference:\n((?: +\S.*\n?)+)", documented, re.M)
    named = set(inspect.signature(loss.function).parameters)
    needs = [need for need, shows in NEEDS.items() if named & shows]
    part, chapter = loss.chapter.split("/")
    label = loss.name.replace("_", "-")
    return {
        "name": loss.name,
        "part": part,
        "chapter": chapter,
        "label": label,
        "page": f"{loss.chapter}.html#{label}",
        "idea": " ".join(idea.split()),
        "use_when": advice.get("use_when", ""),
        "fails_when": advice.get("fails_when", ""),
        "alternatives": advice.get("alternatives", {}),
        "tasks": advice.get("tasks", []),
        "input": advice.get("input", ""),
        "cost": advice.get("cost", ""),
        "needs": needs + advice.get("needs", []),
        "traits": traits(loss, advice),
        "properties": sorted(loss.properties),
        "range": " to ".join(map(plain, loss.bounds)),
        "shapes": shapes(documented, list(named_tensors(loss))),
        "formula": " ".join(formula.split("\n\n")[0].split()),
        "latex": one_line(loss),
        "gradient": gradient(loss),
        "signature": signature(loss),
        "example": example(loss.name, documented),
        "reference": {
            "key": loss.reference,
            "text": " ".join(cited.group(1).split()),
        },
    }


def traits(loss: Loss, advice: dict) -> list[str]:
    """Robust is a bounded slope in all that is predicted, sample by sample."""
    alone = advice.get("input") in ROBUST and not loss.coupled
    has = {
        "robust": "lipschitz" in loss.properties and alone and not loss.widths,
        "bounded": loss.bounds[1] != sp.oo,
        "bounded gradient": "lipschitz" in loss.properties,
        "handles imbalance": advice.get("imbalance", False),
    }
    return [t for t in TRAITS if has.get(t, t in loss.properties)]


def plain(bound: sp.Expr) -> str:
    words = {sp.oo: "∞", -sp.oo: "−∞"}
    text = words.get(bound) or sp.sstr(bound)
    for ascii_, better in (
        ("**", "^"), ("*", " "), ("-", "−"), ("alpha", "α"), ("theta", "θ"),
    ):  # fmt: skip
        text = text.replace(ascii_, better)
    return text


def signature(loss: Loss) -> str:
    """The call, without types."""
    found = inspect.signature(loss.function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
    ]
    thirds = {str(n / 3): f"{n}/3" for n in range(1, 9) if n % 3}
    call = found.replace(
        parameters=bare, return_annotation=inspect.Signature.empty
    )
    text = f"{loss.name}{call}"
    for decimals, third in thirds.items():
        text = text.replace(decimals, third)
    return text


def named_tensors(loss: Loss) -> list[str]:
    """What a call takes without a keyword, networks left out."""
    names = inspect.signature(loss.function).parameters
    first = zip(names, loss.networks[: len(loss.arguments)], strict=False)
    return [name for name, network in first if network is None]


def shapes(documented: str, names: list[str]) -> dict[str, str]:
    """Of every tensor that has no keyword, as the docstring has it."""
    found = {}
    for name in names:
        match = re.search(rf"^    {name}: ((?:.|\n     )*)", documented, re.M)
        text = " ".join(match.group(1).split())
        shape = re.search(
            r"\([A-Z0-9…][^()-]*\)|(any|same) (shape|size)|a number", text
        )
        found[name] = shape.group() if shape else "same shape"
    return found


def example(name: str, documented: str) -> str:
    """The calls of the docstring, with what they import: they run."""
    calls = [
        call.source.rstrip()
        for call in doctest.DocTestParser().get_examples(documented)
    ]
    head = ["import torch", f"from handbook_code import {name}", ""]
    rest = [call for call in calls if call != "import torch"]
    return "\n".join([*head, *rest])


def one_line(loss: Loss) -> str | None:
    """The formula, if it needs no abbreviation and fits."""
    if loss.where or not _general(loss):
        return None
    text = Printer().doprint(loss.formula)
    return text if len(text) <= SHORT else None


def gradient(loss: Loss) -> str | None:
    """The derivative by what is predicted, if it is short."""
    found = slope(loss)
    if found is None:
        return None
    by, text = map(Printer().doprint, found)
    if len(text) > SHORT:
        return None
    return rf"\frac{{\partial L}}{{\partial {by}}} = {text}"


def slope(loss: Loss) -> tuple[sp.Symbol, sp.Expr] | None:
    """By which variable, and the derivative, of a formula of numbers."""
    if loss.where or loss.held or not _general(loss):
        return None
    free = loss.formula.free_symbols & loss.arguments[0].free_symbols
    if len(free) != 1 or loss.formula.atoms(sp.IndexedBase, sp.Lambda):
        return None
    (by,) = free
    found = sp.diff(loss.formula, by)
    # At the corner of a hinge the code returns 0.
    found = found.replace(
        sp.Heaviside, lambda x, _: sp.Heaviside(x, 0).rewrite(sp.Piecewise)
    )
    ways = found, sp.piecewise_fold(sp.simplify(found))
    shorter = min(ways, key=lambda e: len(Printer().doprint(e)))
    return by, shorter.replace(sp.Piecewise, partial(_cases, by))


def _cases(by: sp.Symbol, *cases: tuple) -> sp.Piecewise:
    """Each condition says something of the variable, which stands left."""
    turned = [
        (value, when.reversed)
        if isinstance(when, Relational) and not when.lhs.has(by)
        else (value, when)
        for value, when in cases
    ]
    return sp.Piecewise(*turned, evaluate=False)


def _general(loss: Loss) -> bool:
    """Whether the formula is the definition, and no case of it in which it
    is closed, such as a constant image."""
    return not any(isinstance(a, tuple) for a in loss.arguments)


def main() -> None:
    text = json.dumps(summaries(), ensure_ascii=False, indent=1)
    Path(str(LOSSES)).write_text(text + "\n", "utf8")
    print(f"wrote {LOSSES}")


if __name__ == "__main__":
    main()

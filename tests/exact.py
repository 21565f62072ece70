"""The formula of a catalogue entry, and its slope, to 30 digits."""

from collections.abc import Callable

import mpmath
import numpy as np
import sympy as sp
import torch
from torch import Tensor

from handbook_code.catalogue import Loss

DIGITS, STEP = 60, mpmath.mpf(10) ** -20  # the slope is right to STEP²


def exact(loss: Loss, values: dict, options: dict) -> Tensor:
    """The formula at every sample."""
    evaluate = evaluator(loss, options)
    with mpmath.workdps(DIGITS):
        results = [float(evaluate(p, p)) for p in points(loss, values)]
    return torch.tensor(results, dtype=torch.float64)


def exact_slope(loss: Loss, values: dict, options: dict, of) -> Tensor:
    """The derivative of the formula in a variable, at every sample."""
    evaluate = evaluator(loss, options)
    place = loss.variables.index(of)

    def slope(point: list, index: tuple) -> float:
        def shifted(by):
            moved = np.array(point[place], dtype=object)
            moved[index] += by
            live = [*point[:place], moved[()], *point[place + 1 :]]
            return evaluate(live, point)

        return float((shifted(STEP) - shifted(-STEP)) / (2 * STEP))

    shape = values[of].shape[1:]
    with mpmath.workdps(DIGITS):
        results = [
            [slope(point, index) for index in np.ndindex(shape)]
            for point in points(loss, values)
        ]
    return torch.tensor(results, dtype=torch.float64).view(-1, *shape)


def evaluator(loss: Loss, options: dict) -> Callable[[list, list], mpmath.mpf]:
    """The formula of a point, and of what the gradient holds constant."""
    formula, twins = loss.in_full_with_constants
    parameters = (*loss.parameters.values(), *loss.sizes)
    held = [twins[v] for v in loss.variables]
    symbols = (*loss.variables, *held, *parameters)
    evaluate = sp.lambdify(symbols, formula, modules="mpmath")
    fixed = (*(options[p] for p in loss.parameters), *loss.sizes.values())
    return lambda live, constant: evaluate(*live, *constant, *fixed)


def points(loss: Loss, values: dict) -> list[list]:
    """The samples, one by one, in exact numbers."""
    number = np.vectorize(mpmath.mpf, otypes=[object])
    columns = [
        values[v].cpu().numpy()
        if values[v].dtype == torch.long
        else number(values[v].detach().cpu().numpy())
        for v in loss.variables
    ]
    return [list(point) for point in zip(*columns, strict=True)]

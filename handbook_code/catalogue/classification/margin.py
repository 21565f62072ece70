"""Losses of one margin z = x y, the score times the label −1 or +1."""

from sympy import Max, Min, Piecewise, Symbol, exp, symbols

from handbook_code.catalogue._loss import Loss
from handbook_code.classification.margin import (
    exponential_loss,
    hinge_loss,
    ramp_loss,
    smoothed_hinge_loss,
    squared_hinge_loss,
)

z, y = symbols("z y", real=True)
gamma = Symbol("gamma", positive=True)
s = Symbol("s", real=True)

# The score is z y: with a label of −1 or +1, its margin is z again.
ARGUMENTS = {"arguments": (z * y, y), "domain": {y: {-1, 1}}}

hinge = Loss(
    function=hinge_loss,
    **ARGUMENTS,
    formula=Max(0, 1 - z),
    properties=frozenset({"convex", "lipschitz"}),
    reference="cortes1995support",
)

squared_hinge = Loss(
    function=squared_hinge_loss,
    **ARGUMENTS,
    formula=Max(0, 1 - z) ** 2,
    properties=frozenset({"convex", "differentiable"}),
    reference="zhang2004statistical",
)

smoothed_hinge = Loss(
    function=smoothed_hinge_loss,
    arguments=(z * y, y),
    formula=Piecewise(
        (Max(0, 1 - z) ** 2 / (2 * gamma), z >= 1 - gamma),
        (1 - gamma / 2 - z, True),
        evaluate=False,
    ),
    domain={y: {-1, 1}, gamma: (0.25, 4)},
    properties=frozenset({"convex", "differentiable", "lipschitz"}),
    reference="rennie2005loss",
)

ramp = Loss(
    function=ramp_loss,
    arguments=(z * y, y),
    formula=Min(1 - s, Max(0, 1 - z)),
    domain={y: {-1, 1}, s: (-2, 0)},
    bounds=(0, 1 - s),
    properties=frozenset({"lipschitz"}),
    reference="collobert2006trading",
)

exponential = Loss(
    function=exponential_loss,
    **ARGUMENTS,
    formula=exp(-z),
    properties=frozenset({"convex", "differentiable", "smooth"}),
    reference="freund1997decision",
)

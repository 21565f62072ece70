"""Entropic transport of two points to two others, where it has a formula.

Minima over plans have none in general: for other clouds the tests compare
with a loop that follows the paper.
"""

from sympy import (
    Expr,
    IndexedBase,
    Integer,
    Rational,
    Sum,
    exp,
    log,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.generative.transport import (
    entropic_transport,
    sinkhorn_divergence,
)

D = symbols("D", integer=True, positive=True)
k = symbols("k", integer=True)
epsilon = symbols("varepsilon", positive=True)
x, y = (IndexedBase(n, shape=(Integer(2), D), real=True) for n in "xy")
s, t = symbols("s t", positive=True)


def cost(u: IndexedBase, i: int, v: IndexedBase, j: int) -> Expr:
    return Sum((u[i, k] - v[j, k]) ** 2, (k, 0, D - 1))


def soft_minimum(straight: Expr, crossed: Expr) -> Expr:
    """Of the mean costs of the two ways to send two points to two."""
    likelihood = exp(-straight / epsilon) + exp(-crossed / epsilon)
    return -epsilon * log(likelihood / 2)


half = Rational(1, 2)
within_x, within_y = symbols("s_x s_y", positive=True)

TWO_POINTS = {
    "arguments": (x, y),
    "coupled": True,
    "keywords": {"epsilon": epsilon},
    "preset": {"epsilon": 1.0},
    "sizes": {D: 2},
    "domain": {x: (-1, 1), y: (-1, 1), epsilon: (0.5, 2)},
    "properties": frozenset(
        {"symmetric", "differentiable", "smooth", "translation invariant"}
    ),
}
BETWEEN = {
    s: half * (cost(x, 0, y, 0) + cost(x, 1, y, 1)),
    t: half * (cost(x, 0, y, 1) + cost(x, 1, y, 0)),
}

entropic = Loss(
    function=entropic_transport,
    **TWO_POINTS,
    formula=soft_minimum(s, t),
    where=BETWEEN,
    reference="cuturi2013sinkhorn",
)

divergence = Loss(
    function=sinkhorn_divergence,
    **TWO_POINTS,
    formula=soft_minimum(s, t)
    - half * soft_minimum(Integer(0), within_x)
    - half * soft_minimum(Integer(0), within_y),
    where=BETWEEN
    | {
        within_x: cost(x, 0, x, 1),
        within_y: cost(y, 0, y, 1),
    },
    reference="feydy2019interpolating",
)

"""Losses of a network that learns to take noise out of data.

The networks act on each element by itself, so that the formulas can be
evaluated; the losses allow any.
"""

from typing import Any

from sympy import IndexedBase, Lambda, Rational, Sum, sqrt, symbols
from sympy.utilities.lambdify import implemented_function

from handbook_code.catalogue._loss import Loss
from handbook_code.generative.diffusion import (
    denoising_score_matching_loss,
    simple_diffusion_loss,
)

D, T = symbols("D T", integer=True, positive=True)
k = symbols("k", integer=True)
a, c = symbols("a c", real=True)
t = symbols("t", integer=True)


def network(x: Any, _: Any) -> Any:
    """Some smooth function of numbers of any kind; bounded it is not."""
    return x / 2 + x / (1 + x * x)


epsilon_theta = implemented_function("epsilon_theta", network)
score = implemented_function("s", network)
x_0, x_t, x, x_noisy, epsilon = (
    IndexedBase(name, shape=(D,), real=True)
    for name in ("x_0", "x_t", "x", r"\tilde{x}", "epsilon")
)
alpha_bar = IndexedBase(r"\bar{\alpha}", shape=(T,), positive=True)
w = IndexedBase("w", shape=(T,), positive=True)
sigma, p = symbols("sigma p", positive=True)

simple_diffusion = Loss(
    function=simple_diffusion_loss,
    arguments=(Lambda((a, c), epsilon_theta(a, c)), x_0, t, alpha_bar),
    given={"noise": epsilon, "weight": w},
    shared=frozenset({alpha_bar, w}),
    formula=w[t]
    / D
    * Sum((epsilon_theta(x_t[k], t) - epsilon[k]) ** 2, (k, 0, D - 1)),
    where={
        x_t[k]: sqrt(alpha_bar[t]) * x_0[k]
        + sqrt(1 - alpha_bar[t]) * epsilon[k]
    },
    sizes={D: 3, T: 4},
    domain={t: {0, 1, 2, 3}, alpha_bar: (0.05, 0.95)},
    properties=frozenset({"differentiable", "smooth"}),
    reference="ho2020denoising",
)

denoising_score_matching = Loss(
    function=denoising_score_matching_loss,
    arguments=(Lambda((a, c), score(a, c)), x, sigma),
    given={"noise": epsilon},
    formula=Rational(1, 2)
    * sigma**p
    * Sum((score(x_noisy[k], sigma) + epsilon[k] / sigma) ** 2, (k, 0, D - 1)),
    where={x_noisy[k]: x[k] + sigma * epsilon[k]},
    keywords={"power": p},
    sizes={D: 3},
    domain={sigma: (0.3, 2), p: (0, 3)},
    properties=frozenset({"differentiable", "smooth"}),
    reference="vincent2011connection",
)

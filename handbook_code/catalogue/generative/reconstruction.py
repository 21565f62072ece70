"""Likelihoods of one observation y; μ is predicted, and so is a width.

s is the logarithm of what measures the width: σ² or b.
"""

from sympy import Abs, Rational, exp, log, oo, pi, symbols

from handbook_code.catalogue._loss import Loss
from handbook_code.generative.reconstruction import (
    gaussian_nll_loss,
    laplace_nll_loss,
)

mu, s, y = symbols("mu s y", real=True)

gaussian_nll = Loss(
    function=gaussian_nll_loss,
    arguments=(mu, s, y),
    formula=Rational(1, 2) * (log(2 * pi) + s + (y - mu) ** 2 * exp(-s)),
    bounds=(-oo, oo),
    widths=frozenset({s}),
    properties=frozenset(
        {
            "convex",
            "differentiable",
            "smooth",
            "symmetric",
            "translation invariant",
        }
    ),
    reference="nix1994estimating",
)

laplace_nll = Loss(
    function=laplace_nll_loss,
    arguments=(mu, s, y),
    formula=log(2) + s + Abs(y - mu) * exp(-s),
    bounds=(-oo, oo),
    widths=frozenset({s}),
    properties=frozenset(
        {"convex", "lipschitz", "symmetric", "translation invariant"}
    ),
    reference="laplace1774causes",
)

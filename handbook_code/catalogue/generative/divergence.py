"""Divergences: of K probabilities, and of Gaussians in D dimensions."""

from sympy import IndexedBase, Rational, Sum, exp, log, symbols

from handbook_code.catalogue._loss import Loss
from handbook_code.generative.divergence import (
    gaussian_kl_loss,
    kl_divergence_loss,
)

D, K = symbols("D K", integer=True, positive=True)
k, m = symbols("k m", integer=True)

z = IndexedBase("z", shape=(K,), real=True)
w = IndexedBase("w", shape=(K,), positive=True)
p = IndexedBase("p", shape=(K,), positive=True)
q = IndexedBase("q", shape=(K,), positive=True)

THREE = range(3)  # classes, where the formula is compared with the code

kl_divergence = Loss(
    function=kl_divergence_loss,
    arguments=(
        tuple(z[i] - log(sum(exp(z[j]) for j in THREE)) for i in THREE),
        tuple(w[i] / sum(w[j] for j in THREE) for i in THREE),
    ),
    formula=Sum(p[k] * log(p[k] / q[k]), (k, 0, K - 1)),
    where={
        p[k]: w[k] / Sum(w[m], (m, 0, K - 1)),
        q[k]: exp(z[k]) / Sum(exp(z[m]), (m, 0, K - 1)),
    },
    sizes={K: len(THREE)},
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="kullback1951information",
)

mu = IndexedBase("mu", shape=(D,), real=True)
v = IndexedBase("v", shape=(D,), real=True)

gaussian_kl = Loss(
    function=gaussian_kl_loss,
    arguments=(mu, v),
    formula=Rational(1, 2)
    * Sum(mu[k] ** 2 + exp(v[k]) - 1 - v[k], (k, 0, D - 1)),
    sizes={D: 3},
    properties=frozenset({"convex", "differentiable", "smooth"}),
    reference="kingma2014auto",
)

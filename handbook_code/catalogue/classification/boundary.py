"""Losses of a batch of N images: M pixels i in a row, of K classes c.

Distances are written for images of one axis, where they are s ‖i − j‖.
"""

from sympy import IndexedBase, Rational, Sum, exp, log, oo, symbols

from handbook_code.catalogue._loss import Loss
from handbook_code.catalogue._over import Largest, Nearest
from handbook_code.classification.boundary import (
    boundary_loss,
    distance_map_cross_entropy_loss,
    hausdorff_loss,
)

N, K, M = symbols("N K M", integer=True, positive=True)
n, c, i, j, k = symbols("n c i j k", integer=True)
p = IndexedBase("p", shape=(N, K, M), real=True)
t = IndexedBase("t", shape=(N, K, M), real=True)
z = IndexedBase("z", shape=(N, K, M), real=True)
d = IndexedBase("d", shape=(N, K, M), real=True)
d_p = IndexedBase(r"\hat d", shape=(N, K, M), real=True)
phi = IndexedBase(r"\varphi", shape=(N, K, M), real=True)
Phi = IndexedBase(r"\Phi", shape=(N, K, M), real=True)
s, alpha = symbols("s alpha", positive=True)
HALF = Rational(1, 2)


def to_other_side(mask, none=s * M):
    """From a pixel to the nearest one on the other side of the boundary."""
    here, there = (mask[n, c, place] - HALF for place in (i, j))
    return Nearest(s * abs(i - j), (j, 0, M - 1), here * there, none)


def everything(term):
    return Sum(term, (n, 0, N - 1), (c, 0, K - 1), (i, 0, M - 1))


MASKS = {
    "keywords": {"spacing": s},
    "sizes": {N: 2, K: 2, M: 3},
    "coupled": True,
}
DOMAIN = {p: (0, 1), t: {0, 1}, s: (0.2, 3), alpha: (0.5, 3)}

signed = Loss(
    function=boundary_loss,
    arguments=(p, t),
    **MASKS,
    domain=DOMAIN,
    formula=everything(phi[n, c, i] * p[n, c, i]) / (N * K * M),
    where={
        phi[n, c, i]: (1 - t[n, c, i]) * d[n, c, i]
        - t[n, c, i] * (d[n, c, i] - s),
        d[n, c, i]: to_other_side(t),
    },
    bounds=(-oo, oo),
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="kervadec2019boundary",
)

hausdorff = Loss(
    function=hausdorff_loss,
    arguments=(p, t),
    **MASKS,
    domain=DOMAIN,
    formula=everything(
        (p[n, c, i] - t[n, c, i]) ** 2
        * (d[n, c, i] ** alpha + d_p[n, c, i] ** alpha)
    )
    / (N * K * M),
    where={
        d[n, c, i]: to_other_side(t),
        d_p[n, c, i]: to_other_side(p, none=0),
    },
    held=frozenset({d_p[n, c, i]}),
    properties=frozenset(),
    reference="karimi2020reducing",
)

distance_map_cross_entropy = Loss(
    function=distance_map_cross_entropy_loss,
    arguments=(z, t),
    **MASKS,
    domain=DOMAIN,
    formula=-everything(
        t[n, c, i]
        * (1 + Phi[n, c, i])
        * (z[n, c, i] - log(Sum(exp(z[n, j, i]), (j, 0, K - 1))))
    )
    / (N * M),
    where={
        Phi[n, c, i]: 1 - d[n, c, i] / Largest(d[n, c, k], (k, 0, M - 1)),
        d[n, c, i]: to_other_side(t),
    },
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="caliva2019distance",
)

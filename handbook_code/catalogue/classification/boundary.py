"""Losses of a batch of N images: M pixels i in a row, of K classes c.

Distances are written for images of one axis, where they are s ‖i − j‖.
"""

from sympy import (
    Expr,
    IndexedBase,
    Max,
    Min,
    Piecewise,
    Rational,
    Sum,
    Tuple,
    exp,
    log,
    oo,
    symbols,
    sympify,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.classification.boundary import (
    boundary_loss,
    distance_map_cross_entropy_loss,
    hausdorff_loss,
)


class OverIndex(Expr):
    """A function of all the values that a term takes over an index."""

    is_commutative = True

    def __new__(cls, term, limits, *rest):
        return super().__new__(
            cls, sympify(term), Tuple(*limits), *map(sympify, rest)
        )

    @property
    def free_symbols(self):
        term, (index, low, high), *rest = self.args
        inner = term.free_symbols.union(*(r.free_symbols for r in rest))
        return inner - {index} | low.free_symbols | high.free_symbols

    def _values(self, of):
        _, (index, low, high), *_ = self.args
        places = range(int(low), int(high) + 1)
        return [of.subs(index, place).doit() for place in places]


class Largest(OverIndex):
    """The largest of them."""

    def doit(self, **hints):
        return Max(*self._values(self.args[0]))

    def _latex(self, printer):
        term, (index, *_) = self.args
        index, term = map(printer.doprint, (index, term))
        return rf"\max_{{{index}}} {term}"

    def _mpmathcode(self, printer):
        term, limits = self.args
        term, index, low, high = map(printer.doprint, (term, *limits))
        return f"max({term} for {index} in range({low}, {high} + 1))"


class Nearest(OverIndex):
    """The least of those where ``side`` is negative; else ``none``."""

    def doit(self, **hints):
        term, _, side, none = self.args
        values = zip(self._values(term), self._values(side), strict=True)
        least = Min(*(Piecewise((v, x < 0), (oo, True)) for v, x in values))
        return Piecewise((least, least < oo), (none.doit(), True))

    def _latex(self, printer):
        term, (index, *_), side, none = self.args
        index, none, term, side = map(
            printer.doprint, (index, none, term, side)
        )
        where = rf"{index}:\, {side} < 0"
        return rf"\min_{{{where}}} {term} \quad(\text{{if none: }} {none})"

    def _mpmathcode(self, printer):
        term, limits, *rest = self.args
        parts = map(printer.doprint, (term, *limits, *rest))
        term, index, low, high, side, none = parts
        places = f"for {index} in range({low}, {high} + 1)"
        return f"min([{term} {places} if {side} < 0] or [{none}])"


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

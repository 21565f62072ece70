"""Losses of pairs, triplets and line-ups of embeddings of D numbers."""

from sympy import (
    And,
    Eq,
    Expr,
    IndexedBase,
    Max,
    Ne,
    Rational,
    Sum,
    exp,
    log,
    sqrt,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.catalogue._over import Least, Most
from handbook_code.metric.euclidean import (
    batch_hard_triplet_loss,
    contrastive_loss,
    info_nce_loss,
    triplet_loss,
)

D, N = symbols("D N", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)
m, tau = symbols("m tau", positive=True)


def distance(u: IndexedBase, v: IndexedBase) -> Expr:
    return sqrt(Sum((u[k] - v[k]) ** 2, (k, 0, D - 1)))


x1, x2 = (IndexedBase(name, shape=(D,), real=True) for name in ("x_1", "x_2"))
y = symbols("y", integer=True)
d = symbols("d", nonnegative=True)

contrastive = Loss(
    function=contrastive_loss,
    arguments=(x1, x2, y),
    formula=Rational(1, 2) * (y * d**2 + (1 - y) * Max(0, m - d) ** 2),
    where={d: distance(x1, x2)},
    keywords={"margin": m},
    sizes={D: 2},
    domain={y: {0, 1}, m: (0.5, 4)},
    properties=frozenset({"symmetric", "translation invariant"}),
    reference="hadsell2006dimensionality",
)

a, p, n = (IndexedBase(name, shape=(D,), real=True) for name in "apn")
d_p, d_n = symbols("d_p d_n", nonnegative=True)


triplet = Loss(
    function=triplet_loss,
    arguments=(a, p, n),
    formula=Max(0, d_p**2 - d_n**2 + m),
    where={d_p: distance(a, p), d_n: distance(a, n)},
    keywords={"margin": m},
    sizes={D: 2},
    properties=frozenset({"convex", "lipschitz", "translation invariant"}),
    reference="schroff2015facenet",
)

x = IndexedBase("x", shape=(N, D), real=True)
kind = IndexedBase("y", shape=(N,), integer=True)
farthest, nearest = (
    IndexedBase(name, shape=(N,), real=True)
    for name in (r"\Delta^{+}", r"\Delta^{-}")
)
apart = IndexedBase("Delta", shape=(N, N), real=True)
is_friend = And(Eq(kind[j], kind[i]), Ne(j, i))
is_stranger = Ne(kind[j], kind[i])

batch_hard_triplet = Loss(
    function=batch_hard_triplet_loss,
    arguments=(x, kind),
    coupled=True,
    formula=Sum(Max(0, farthest[i] - nearest[i] + m), (i, 0, N - 1)) / N,
    where={
        farthest[i]: Most(apart[i, j], (j, 0, N - 1), is_friend),
        nearest[i]: Least(apart[i, j], (j, 0, N - 1), is_stranger),
        apart[i, j]: Sum((x[i, k] - x[j, k]) ** 2, (k, 0, D - 1)),
    },
    keywords={"margin": m},
    sizes={N: 5, D: 2},
    domain={kind: {0, 1, 2}, m: (0.5, 4)},
    properties=frozenset(),
    reference="hermans2017defense",
)

q = IndexedBase("q", shape=(N, D), real=True)
s = IndexedBase("s", shape=(N, N), real=True)


def product(u: IndexedBase, v: IndexedBase) -> Sum:
    return Sum(u * v, (k, 0, D - 1))


info_nce = Loss(
    function=info_nce_loss,
    arguments=(q, x),
    coupled=True,
    formula=Sum(
        log(Sum(exp(s[i, j] / tau), (j, 0, N - 1))) - s[i, i] / tau,
        (i, 0, N - 1),
    )
    / N,
    where={
        s[i, j]: product(q[i, k], x[j, k])
        / sqrt(product(q[i, k], q[i, k]) * product(x[j, k], x[j, k])),
    },
    keywords={"temperature": tau},
    sizes={N: 3, D: 2},
    domain={tau: (0.05, 2)},
    properties=frozenset({"homogeneous", "scale invariant"}),
    reference="oord2018representation",
)

"""Losses of a logit z: K of them for a class t, or one for y = 0 or 1."""

from sympy import (
    Abs,
    IndexedBase,
    KroneckerDelta,
    Max,
    Min,
    Sum,
    Symbol,
    exp,
    floor,
    log,
    sign,
    sqrt,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.classification.probabilistic import (
    cross_entropy_loss,
    focal_loss,
    ghm_loss,
    ghm_regression_loss,
    poly1_loss,
    poly_loss,
    softmax_focal_loss,
    topk_cross_entropy_loss,
)

K = Symbol("K", integer=True, positive=True)
k, m, t = symbols("k m t", integer=True)
z = IndexedBase("z", shape=(K,), real=True)
w = IndexedBase("w", shape=(K,), positive=True)
p = IndexedBase("p", shape=(K,), positive=True)
epsilon = Symbol("varepsilon", positive=True)

surprise = IndexedBase("ell", shape=(K,), real=True)

OF_CLASSES = {
    "arguments": (z, t),
    "sizes": {K: 3},
    "where": {p[k]: exp(z[k]) / Sum(exp(z[m]), (m, 0, K - 1))},
}

cross_entropy = Loss(
    function=cross_entropy_loss,
    arguments=(z, t),
    formula=(1 - epsilon) * surprise[t]
    + epsilon / K * Sum(surprise[k], (k, 0, K - 1)),
    where={surprise[k]: -w[k] * log(p[k]), **OF_CLASSES["where"]},
    sizes={K: 3},
    given={"weight": w},
    shared=frozenset({w}),
    keywords={"label_smoothing": epsilon},
    domain={t: {0, 1, 2}, epsilon: (0, 1)},
    share=w[t],
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="szegedy2016rethinking",
)

logit, y = symbols("z y", real=True)
alpha, gamma = symbols("alpha gamma", positive=True)
prob, p_t, alpha_t = symbols("p p_t alpha_t", positive=True)

focal = Loss(
    function=focal_loss,
    arguments=(logit, y),
    formula=-alpha_t * (1 - p_t) ** gamma * log(p_t),
    where={
        alpha_t: alpha * y + (1 - alpha) * (1 - y),
        p_t: prob * y + (1 - prob) * (1 - y),
        prob: 1 / (1 + exp(-logit)),
    },
    domain={y: {0, 1}, alpha: (0, 1), gamma: (1, 4)},
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="lin2017focal",
)

softmax_focal = Loss(
    function=softmax_focal_loss,
    **OF_CLASSES,
    formula=-w[t] * (1 - p[t]) ** gamma * log(p[t]),
    given={"weight": w},
    shared=frozenset({w}),
    domain={t: {0, 1, 2}, gamma: (1, 4)},
    share=w[t],
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="lin2017focal",
)

N, M = symbols("N M", integer=True, positive=True)
i, j = symbols("i j", integer=True)
logits = IndexedBase("z", shape=(N,), real=True)
labels = IndexedBase("y", shape=(N,), real=True)
x, r = (IndexedBase(name, shape=(N,), real=True) for name in "xr")
g = IndexedBase("g", shape=(N,), nonnegative=True)
b = IndexedBase("b", shape=(N,), integer=True)
R = IndexedBase("R", shape=(N,), integer=True, positive=True)
q = IndexedBase("p", shape=(N,), positive=True)
price = IndexedBase("ell", shape=(N,), real=True)
mu = Symbol("mu", positive=True)

HARMONISED = {
    R[i]: Sum(KroneckerDelta(b[i], b[j]), (j, 0, N - 1)),
    b[i]: Min(floor(M * g[i]), M - 1),
}

ghm = Loss(
    function=ghm_loss,
    arguments=(logits, labels),
    coupled=True,
    formula=Sum(price[i] / (M * R[i]), (i, 0, N - 1)),
    where={
        price[i]: -labels[i] * log(q[i]) - (1 - labels[i]) * log(1 - q[i]),
        **HARMONISED,
        g[i]: Abs(q[i] - labels[i]),
        q[i]: 1 / (1 + exp(-logits[i])),
    },
    held=frozenset({R[i]}),
    keywords={"bins": M},
    sizes={N: 8},
    domain={labels: {0, 1}, M: {3, 5, 10}},
    properties=frozenset({"lipschitz"}),
    reference="li2019ghm",
)

ghm_regression = Loss(
    function=ghm_regression_loss,
    arguments=(x, labels),
    coupled=True,
    formula=Sum(price[i] / (M * R[i]), (i, 0, N - 1)),
    where={
        price[i]: sqrt(r[i] ** 2 + mu**2) - mu,
        **HARMONISED,
        g[i]: Abs(r[i]) / sqrt(r[i] ** 2 + mu**2),
        r[i]: x[i] - labels[i],
    },
    held=frozenset({R[i]}),
    keywords={"bins": M},
    sizes={N: 8},
    domain={M: {3, 5, 10}},
    properties=frozenset({"symmetric", "lipschitz", "translation invariant"}),
    reference="li2019ghm",
)

shift = Symbol("varepsilon", real=True)

poly1 = Loss(
    function=poly1_loss,
    **OF_CLASSES,
    formula=-log(p[t]) + shift * (1 - p[t]),
    keywords={"epsilon": shift},
    domain={t: {0, 1, 2}, shift: (-1, 3)},
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="leng2022polyloss",
)

J = Symbol("J", integer=True, positive=True)
a = IndexedBase("a", shape=(J,), positive=True)
c = IndexedBase("alpha", shape=(J,), positive=True)

poly = Loss(
    function=poly_loss,
    arguments=(z, t),
    formula=Sum(c[j] * (1 - p[t]) ** j, (j, 1, J)),
    where={c[j]: a[j - 1], **OF_CLASSES["where"]},
    given={"coefficients": a},
    shared=frozenset({a}),
    sizes={K: 3, J: 4},
    domain={t: {0, 1, 2}},
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="leng2022polyloss",
)

rows = IndexedBase("z", shape=(N, K), real=True)
classes = IndexedBase("t", shape=(N,), integer=True)
chance = IndexedBase("p", shape=(N, K), positive=True)
harder = IndexedBase("R", shape=(N,), integer=True)
part = Symbol("kappa", positive=True)


def batch(term):
    return Sum(term, (i, 0, N - 1))


# A sample is taken if fewer than a part k of all are harder.
taken = Max(0, sign(part * N - harder[i]))

topk_cross_entropy = Loss(
    function=topk_cross_entropy_loss,
    arguments=(rows, classes),
    coupled=True,
    formula=batch(price[i] * taken) / batch(taken),
    where={
        harder[i]: Sum(Max(0, sign(price[j] - price[i])), (j, 0, N - 1)),
        price[i]: -log(chance[i, classes[i]]),
        chance[i, k]: exp(rows[i, k]) / Sum(exp(rows[i, m]), (m, 0, K - 1)),
    },
    keywords={"k": part},
    sizes={N: 6, K: 3},
    domain={classes: {0, 1, 2}, part: {0.1, 0.3, 0.5, 0.7}},
    properties=frozenset({"convex", "lipschitz"}),
    reference="wu2016bridging",
)

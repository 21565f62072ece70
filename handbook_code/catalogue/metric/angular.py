"""Cross-entropies of N embeddings x and the centres W of K classes."""

from sympy import (
    IndexedBase,
    Max,
    Min,
    Piecewise,
    Sum,
    Symbol,
    acos,
    cos,
    exp,
    floor,
    log,
    pi,
    sqrt,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.metric.angular import (
    AdaFace,
    ArcFace,
    CosFace,
    SphereFace,
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)

N, K, D = symbols("N K D", integer=True, positive=True)
i, j, d = symbols("i j d", integer=True)
x = IndexedBase("x", shape=(N, D), real=True)
W = IndexedBase("W", shape=(K, D), real=True)
t = IndexedBase("t", shape=(N,), integer=True)

target = IndexedBase("a", shape=(N,), real=True)
cosine = IndexedBase("c", shape=(N, K), real=True)
theta = IndexedBase("theta", shape=(N,), real=True)
turns = IndexedBase("k", shape=(N,), integer=True)
psi = IndexedBase("psi", shape=(N,), real=True)
length = IndexedBase(r"\ell", shape=(N,), real=True)
quality = IndexedBase(r"\hat{z}", shape=(N,), real=True)

s, lam, mu, sigma, h = symbols("s lambda mu sigma h", positive=True)
m = Symbol("m", positive=True)
times = Symbol("m", integer=True, positive=True)


def squares(a, row):
    return Sum(a[row, d] ** 2, (d, 0, D - 1))


def cross_entropy(others):
    """Of logits, with another one for the class itself."""
    total = Sum(exp(others), (j, 0, K - 1))
    left = exp(target[i]) + total - exp(others.subs(j, t[i]))
    return Sum(log(left) - target[i], (i, 0, N - 1)) / N


COSINE = {
    cosine[i, j]: Sum(x[i, d] * W[j, d], (d, 0, D - 1))
    / sqrt(squares(x, i) * squares(W, j))
}
ANGLE = {theta[i]: acos(cosine[i, t[i]])}
BATCH = {
    "arguments": (x, W, t),
    "coupled": True,
    "sizes": {N: 3, K: 4, D: 2},
}
CLASSES = {t: {0, 1, 2, 3}}

sphereface = Loss(
    function=sphereface_loss,
    **BATCH,
    formula=cross_entropy(length[i] * cosine[i, j]),
    where={
        target[i]: length[i] * (lam * cosine[i, t[i]] + psi[i]) / (1 + lam),
        psi[i]: (-1) ** turns[i] * cos(times * theta[i]) - 2 * turns[i],
        turns[i]: floor(times * theta[i] / pi),
        **ANGLE,
        **COSINE,
        length[i]: sqrt(squares(x, i)),
    },
    keywords={"blend": lam},
    domain=CLASSES | {times: {2, 3, 4, 5}, lam: (0, 1)},
    properties=frozenset({"lipschitz"}),
    module=lambda **options: SphereFace(2, 4, **options).double(),
    reference="liu2017sphereface",
)

cosface = Loss(
    function=cosface_loss,
    **BATCH,
    formula=cross_entropy(s * cosine[i, j]),
    where={target[i]: s * (cosine[i, t[i]] - m), **COSINE},
    domain=CLASSES | {s: (1, 8), m: (0, 1)},
    properties=frozenset({"scale invariant"}),
    module=lambda **options: CosFace(2, 4, **options).double(),
    reference="wang2018cosface",
)

arcface = Loss(
    function=arcface_loss,
    **BATCH,
    formula=cross_entropy(s * cosine[i, j]),
    where={
        target[i]: s * psi[i],
        psi[i]: Piecewise(
            (cos(theta[i] + m), theta[i] + m <= pi),
            (-2 - cos(theta[i] + m), True),
        ),
        **ANGLE,
        **COSINE,
    },
    domain=CLASSES | {s: (1, 8), m: (0, 1.5)},
    properties=frozenset({"scale invariant"}),
    module=lambda **options: ArcFace(2, 4, **options).double(),
    reference="deng2019arcface",
)

adaface = Loss(
    function=adaface_loss,
    **BATCH,
    formula=cross_entropy(s * cosine[i, j]),
    where={
        target[i]: s * psi[i],
        psi[i]: cos(Max(0, Min(pi, theta[i] - m * quality[i])))
        - m * (1 + quality[i]),
        quality[i]: Max(-1, Min(1, h * (length[i] - mu) / sigma)),
        **ANGLE,
        **COSINE,
        length[i]: sqrt(squares(x, i)),
    },
    held=frozenset({quality[i]}),
    lacks={"gradcheck": "its gradient takes ẑ for a constant"},
    keywords={"norm_mean": mu, "norm_std": sigma},
    domain=CLASSES
    | {s: (1, 8), m: (0, 1), h: (0.2, 1), mu: (2, 3), sigma: (0.5, 2)},
    properties=frozenset(),
    module=lambda **options: AdaFace(2, 4, **options).double().eval(),
    reference="kim2022adaface",
)

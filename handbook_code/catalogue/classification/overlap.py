"""Losses of a batch of N images: M pixels i, of K classes c."""

from sympy import IndexedBase, Max, Min, Sum, Symbol, symbols

from handbook_code.catalogue._loss import Loss
from handbook_code.classification.overlap import (
    asymmetric_similarity_loss,
    dice_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    jaccard_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    penalty_dice_loss,
    sensitivity_specificity_loss,
    tversky_loss,
)

N, K, M = symbols("N K M", integer=True, positive=True)
n, c, i, j = symbols("n c i j", integer=True)
p = IndexedBase("p", shape=(N, K, M), real=True)
t = IndexedBase("t", shape=(N, K, M), real=True)
s, alpha, beta, gamma, w, k = symbols("s alpha beta gamma w k", positive=True)


def pixels(term):
    return Sum(term, (n, 0, N - 1), (i, 0, M - 1))


def classes(term):
    return Sum(term, (c, 0, K - 1))


TP, FP, FN, P, T, v = (
    IndexedBase(name, shape=(K,), real=True)[c]
    for name in (r"\mathrm{TP}", r"\mathrm{FP}", r"\mathrm{FN}", "P", "T", "v")
)
COUNTS = {
    TP: pixels(p[n, c, i] * t[n, c, i]),
    FP: pixels(p[n, c, i] * (1 - t[n, c, i])),
    FN: pixels((1 - p[n, c, i]) * t[n, c, i]),
}
AREAS = {P: pixels(p[n, c, i]), T: pixels(t[n, c, i])}

# Soft targets: what is true of them is true of masks.
MASKS = {
    "arguments": (p, t),
    "keywords": {"smooth": s},
    "sizes": {N: 2, K: 2, M: 2},
    "coupled": True,
    "bounds": (0, 1),
}
DOMAIN = {p: (0, 1), t: (0, 1), alpha: (0.1, 2), beta: (0.1, 2), w: (0, 1)}

dice = Loss(
    function=dice_loss,
    **MASKS,
    domain=DOMAIN,
    formula=classes(1 - (2 * TP + s) / (P + T + s)) / K,
    where={TP: COUNTS[TP], **AREAS},
    properties=frozenset(
        {"differentiable", "lipschitz", "smooth", "symmetric"}
    ),
    reference="drozdzal2016importance",
)

jaccard = Loss(
    function=jaccard_loss,
    **MASKS,
    domain=DOMAIN,
    formula=classes(1 - (TP + s) / (TP + FP + FN + s)) / K,
    where=COUNTS,
    properties=frozenset(
        {"differentiable", "lipschitz", "smooth", "symmetric"}
    ),
    reference="rahman2016optimizing",
)

index = (TP + s) / (TP + alpha * FP + beta * FN + s)

tversky = Loss(
    function=tversky_loss,
    **MASKS,
    domain=DOMAIN,
    formula=classes(1 - index) / K,
    where=COUNTS,
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="salehi2017tversky",
)

focal_tversky = Loss(
    function=focal_tversky_loss,
    **MASKS,
    # Masks that a prediction can match: there a root is steep.
    domain=DOMAIN | {t: {0, 0.5, 1}, gamma: (1.2, 3)},
    formula=classes((1 - index) ** (1 / gamma)) / K,
    where=COUNTS,
    properties=frozenset(),
    reference="abraham2019novel",
)


def mean_square(of):
    return pixels((p[n, c, i] - t[n, c, i]) ** 2 * of) / (pixels(of) + s)


sensitivity_specificity = Loss(
    function=sensitivity_specificity_loss,
    **MASKS,
    domain=DOMAIN,
    formula=classes(
        w * mean_square(t[n, c, i]) + (1 - w) * mean_square(1 - t[n, c, i])
    )
    / K,
    properties=frozenset({"convex", "differentiable", "smooth"}),
    reference="brosch2015deep",
)

GENERALIZED = {
    "where": {v: T**-2, TP: COUNTS[TP], **AREAS},
    "properties": frozenset({"differentiable", "lipschitz", "smooth"}),
}
generalized = 1 - (2 * classes(v * TP) + s) / (classes(v * (P + T)) + s)

generalized_dice = Loss(
    function=generalized_dice_loss,
    **MASKS,
    domain=DOMAIN,
    formula=generalized,
    **GENERALIZED,
    reference="sudre2017generalised",
)

whole = (1 + beta**2) * TP + s

asymmetric_similarity = Loss(
    function=asymmetric_similarity_loss,
    **MASKS,
    domain=DOMAIN,
    formula=classes(1 - whole / (whole + beta**2 * FN + FP)) / K,
    where=COUNTS,
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="hashemi2019asymmetric",
)

D = Symbol("D", real=True)

penalty_dice = Loss(
    function=penalty_dice_loss,
    **MASKS,
    domain=DOMAIN,
    formula=1 - D / (1 + k * (1 - D)),
    **GENERALIZED | {"where": {D: 1 - generalized, **GENERALIZED["where"]}},
    reference="yang2019major",
)

# Sorting has no formula. Pixels numbered by falling error need no sorting: d
# is by how much an error exceeds the next, y = 1 marks the foreground. They
# fill the images one after the other.
IMAGES, WIDTH, CLASSES = 2, 3, 2
SIZE = IMAGES * WIDTH

d = IndexedBase("d", shape=(M,), positive=True)
y = IndexedBase("y", shape=(M,), real=True)


def error(m):
    return sum(d[rest] for rest in range(m, SIZE))


def batch(pixel):
    """A pixel for each place: row by row, the rows being images."""
    return tuple(
        tuple(pixel(row * WIDTH + column) for row in range(IMAGES))
        for column in range(WIDTH)
    )


lovasz_hinge = Loss(
    function=lovasz_hinge_loss,
    arguments=(
        batch(lambda m: (2 * y[m] - 1) * (1 - error(m))),
        batch(lambda m: y[m]),
    ),
    formula=Sum(
        d[i] * (i + 1) / (Sum(y[j], (j, 0, M - 1)) + Sum(1 - y[j], (j, 0, i))),
        (i, 0, M - 1),
    ),
    sizes={M: SIZE},
    domain={y: {0, 1}},
    coupled=True,
    properties=frozenset({"convex", "lipschitz"}),
    reference="berman2018lovasz",
)

# The same for every class, and an error is a part of one.
d_c = IndexedBase("d", shape=(K, M), positive=True)
y_c = IndexedBase("y", shape=(K, M), real=True)
a, T_c = (IndexedBase(name, shape=(K,), real=True)[c] for name in "aT")


def error_of(label, m):
    return sum(d_c[label, rest] for rest in range(m, SIZE))


def batch_of(pixel):
    return tuple(
        tuple(
            tuple(pixel(label, row * WIDTH + column) for row in range(IMAGES))
            for label in range(CLASSES)
        )
        for column in range(WIDTH)
    )


lovasz_softmax = Loss(
    function=lovasz_softmax_loss,
    arguments=(
        batch_of(
            lambda b, m: y_c[b, m] + (1 - 2 * y_c[b, m]) * error_of(b, m)
        ),
        batch_of(lambda b, m: y_c[b, m]),
    ),
    formula=classes(
        a
        * Sum(
            d_c[c, i] * (i + 1) / (T_c + Sum(1 - y_c[c, j], (j, 0, i))),
            (i, 0, M - 1),
        )
    )
    / Max(1, classes(a)),
    where={a: Min(1, T_c), T_c: Sum(y_c[c, j], (j, 0, M - 1))},
    sizes={K: CLASSES, M: SIZE},
    domain={d_c: (0, 1 / SIZE), y_c: {0, 1}},
    bounds=(0, 1),
    coupled=True,
    properties=frozenset({"convex", "lipschitz"}),
    reference="berman2018lovasz",
)

"""Losses of regions and pixels: N images, M pixels i, K classes c."""

from sympy import (
    IndexedBase,
    Max,
    Sum,
    Symbol,
    exp,
    log,
    oo,
    sign,
    sqrt,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.catalogue.classification.overlap import (
    AREAS,
    TP,
    K,
    M,
    N,
    P,
    T,
    alpha,
    beta,
    c,
    classes,
    gamma,
    i,
    j,
    n,
    p,
    pixels,
    s,
    t,
)
from handbook_code.classification.compound import (
    combo_loss,
    dice_cross_entropy_loss,
    dice_focal_loss,
    dice_topk_loss,
    exponential_logarithmic_loss,
)

k, m = symbols("k m", integer=True)
z = IndexedBase("z", shape=(N, K, M), real=True)
D, v = (IndexedBase(name, shape=(K,), real=True)[c] for name in "Dv")
w, f = (IndexedBase(name, shape=(K,), positive=True) for name in "wf")
w_D, w_C, gamma_D, gamma_C = symbols("w_D w_C gamma_D gamma_C", positive=True)

REGIONS = {
    D: (2 * TP + s) / (P + T + s),
    **AREAS,
    TP: pixels(p[n, c, i] * t[n, c, i]),
}
SOFTMAX = {p[n, c, i]: exp(z[n, c, i]) / Sum(exp(z[n, k, i]), (k, 0, K - 1))}

DOMAIN = {
    t: (0, 1),
    alpha: (0, 1),
    beta: (0, 1),
    gamma: (1, 4),
    s: (0.1, 0.5),
    w_D: (0.5, 2),
    w_C: (0.1, 0.5),
}

# Soft targets: what is true of them is true of masks.
LOGITS = {
    "arguments": (z, t),
    "where": REGIONS | SOFTMAX,
    "keywords": {"smooth": s, "dice_weight": w_D, "cross_weight": w_C},
    "sizes": {N: 2, K: 2, M: 2},
    "domain": DOMAIN,
    "coupled": True,
}


def everything(term):
    return Sum(classes(term), (n, 0, N - 1), (i, 0, M - 1))


truth, prob = t[n, c, i], p[n, c, i]
dice = w_D * (1 - classes(D) / K)

combo = Loss(
    function=combo_loss,
    **LOGITS | {"keywords": {"smooth": s}},
    formula=-alpha
    / (N * K * M)
    * everything(
        beta * truth * log(prob) + (1 - beta) * (1 - truth) * log(1 - prob)
    )
    - (1 - alpha) / K * classes(D),
    bounds=(alpha - 1, oo),
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="taghanaki2018combo",
)

exponential_logarithmic = Loss(
    function=exponential_logarithmic_loss,
    **LOGITS
    | {
        "where": {
            **REGIONS,
            v: sqrt(Sum(f[k], (k, 0, K - 1)) / f[c]),
            **SOFTMAX,
        },
        "keywords": {
            **LOGITS["keywords"],
            "dice_gamma": gamma_D,
            "cross_gamma": gamma_C,
        },
        "domain": DOMAIN | {gamma_D: (0.2, 1), gamma_C: (0.2, 1)},
    },
    given={"frequencies": f},
    shared=frozenset({f}),
    formula=w_D / K * classes((-log(D)) ** gamma_D)
    + w_C
    * everything(v * truth * (-log(prob)) ** gamma_C)
    / everything(truth),
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="wong2018exponential",
)

dice_cross_entropy = Loss(
    function=dice_cross_entropy_loss,
    **LOGITS,
    given={"weight": w},
    shared=frozenset({w}),
    formula=dice
    - w_C * everything(w[c] * truth * log(prob)) / everything(w[c] * truth),
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="isensee2021nnunet",
)

dice_focal = Loss(
    function=dice_focal_loss,
    **LOGITS
    | {"keywords": {"smooth": s, "dice_weight": w_D, "focal_weight": w_C}},
    given={"weight": w},
    shared=frozenset({w}),
    formula=dice
    - w_C
    * everything(w[c] * truth * (1 - prob) ** gamma * log(prob))
    / everything(w[c] * truth),
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="zhu2018anatomynet",
)

# A pixel is taken if fewer than a part k of all are harder.
part = Symbol("kappa", positive=True)
surprise = IndexedBase("ell", shape=(N, M), real=True)
harder = IndexedBase("R", shape=(N, M), real=True)


taken = Max(0, sign(part * N * M - harder[n, i]))
HARDEST = {
    harder[n, i]: Sum(
        Max(0, sign(surprise[m, j] - surprise[n, i])),
        (m, 0, N - 1),
        (j, 0, M - 1),
    ),
    surprise[n, i]: -classes(truth * log(prob)),
}

dice_topk = Loss(
    function=dice_topk_loss,
    **LOGITS
    | {
        "where": {**REGIONS, **HARDEST, **SOFTMAX},
        "keywords": {**LOGITS["keywords"], "k": part},
        "domain": DOMAIN | {part: {0.2, 0.3, 0.5, 0.6}},
    },
    formula=dice + w_C * pixels(surprise[n, i] * taken) / pixels(taken),
    properties=frozenset({"lipschitz"}),
    reference="isensee2021nnunet",
)

"""Losses of features. The network of an entry stands for any other."""

from sympy import Expr, IndexedBase, Lambda, Sum, symbols

from handbook_code.catalogue._loss import Loss
from handbook_code.generative.features import perceptual_loss, style_loss

C, J, M = symbols("C J M", integer=True, positive=True)
c, d, j, m = symbols("c d j m", integer=True)
u = symbols("u", real=True)
x = IndexedBase("x", shape=(C, M), real=True)
y = IndexedBase("y", shape=(C, M), real=True)
f, g = (IndexedBase(n, shape=(J, C, M), real=True) for n in "fg")
G, H = (IndexedBase(n, shape=(J, C, C), real=True) for n in "GH")

# Two maps of the size of the picture: the pixels, and their squares.
network = Lambda(u, (u, u**2))
features = {f[j, c, m]: x[c, m] ** j, g[j, c, m]: y[c, m] ** j}


def products(f: IndexedBase) -> Expr:
    return Sum(f[j, c, m] * f[j, d, m], (m, 0, M - 1)) / (C * M)


perceptual = Loss(
    function=perceptual_loss,
    arguments=(x, y),
    given={"extractor": network},
    formula=Sum(
        Sum((f[j, c, m] - g[j, c, m]) ** 2, (m, 0, M - 1), (c, 0, C - 1))
        / (C * M),
        (j, 1, J),
    ),
    where=features,
    sizes={C: 2, J: 2, M: 3},
    domain={x: (-1, 1), y: (-1, 1)},
    properties=frozenset({"differentiable", "smooth", "symmetric"}),
    reference="johnson2016perceptual",
)

style = Loss(
    function=style_loss,
    arguments=(x, y),
    given={"extractor": network},
    formula=Sum(
        (G[j, c, d] - H[j, c, d]) ** 2,
        (d, 0, C - 1),
        (c, 0, C - 1),
        (j, 1, J),
    ),
    where={G[j, c, d]: products(f), H[j, c, d]: products(g)} | features,
    sizes={C: 2, J: 2, M: 3},
    domain={x: (-1, 1), y: (-1, 1)},
    properties=frozenset({"differentiable", "smooth", "symmetric"}),
    reference="gatys2016image",
)

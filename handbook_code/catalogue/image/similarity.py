"""Losses of two images, on images for which they have a closed form.

One window of stripes has all that SSIM compares. At several scales the
windows of a general image are many: there the tests compare with a loop, and
the entry is of two checkerboards, whose contrast is gone at the next scale.
"""

from sympy import (
    Abs,
    Expr,
    IndexedBase,
    Piecewise,
    Rational,
    Sum,
    exp,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.image.similarity import (
    ms_ssim_l1_loss,
    ms_ssim_loss,
    ssim_loss,
)

C, M = symbols("C M", integer=True, positive=True)
k, i, j = symbols("k i j", integer=True)
R, alpha, C_1, C_2 = symbols("R alpha C_1 C_2", positive=True)
x, y = (IndexedBase(name, shape=(C, M), real=True) for name in "xy")
g = IndexedBase("g", shape=(M,), positive=True)
weight = IndexedBase("g", shape=(2, M), positive=True)
Z = symbols("Z", positive=True)
total = IndexedBase("Z", shape=(2,), positive=True)[j]
mu_x, mu_y, s_x, s_y, s_xy, bright, c = symbols(
    r"mu_x mu_y \sigma_x^2 \sigma_y^2 \sigma_{xy} l c", real=True
)
CONSTANTS = {
    C_1: (Rational(1, 100) * R) ** 2,
    C_2: (Rational(3, 100) * R) ** 2,
}


def bell(place: Expr, deviation: Expr) -> Expr:
    return exp(-(place**2) / (2 * deviation**2))


def over_window(term: Expr) -> Expr:
    return Sum(g[i] * term, (i, 0, M - 1)) / Z


def at_scale(term: Expr) -> Expr:
    return Sum(weight[j, i] * term, (i, 0, M - 1)) / total


def ratio(product: Expr, squares: Expr, constant: Expr) -> Expr:
    return (2 * product + constant) / (squares + constant)


def luminance(a: Expr, b: Expr) -> Expr:
    return ratio(a * b, a**2 + b**2, C_1)


middle = (M - 1) / 2
ssim = Loss(
    function=ssim_loss,
    arguments=((x,) * 11, (y,) * 11),
    preset={"data_range": 1.0},
    formula=Sum(1 - bright * c, (k, 0, C - 1)) / C,
    where={
        bright: luminance(mu_x, mu_y),
        c: ratio(s_xy, s_x + s_y, C_2),
        s_xy: over_window(x[k, i] * y[k, i]) - mu_x * mu_y,
        s_x: over_window(x[k, i] ** 2) - mu_x**2,
        s_y: over_window(y[k, i] ** 2) - mu_y**2,
        mu_x: over_window(x[k, i]),
        mu_y: over_window(y[k, i]),
        Z: Sum(g[i], (i, 0, M - 1)),
        g[i]: bell(i - middle, Rational(3, 2)),
        **CONSTANTS,
    },
    keywords={"data_range": R},
    sizes={C: 1, M: 11},
    domain={x: (0, 1), y: (0, 1), R: (0.5, 2)},
    bounds=(0, 2),
    properties=frozenset(
        {"differentiable", "lipschitz", "smooth", "symmetric"}
    ),
    reference="wang2004image",
)

# Two checkerboards, each of a light and a dark tone.
SQUARES, TWO_SCALES = 22, (0.25, 0.75)
x_1, x_2, y_1, y_2 = symbols("x_1 x_2 y_1 y_2", real=True)
a, b, d, e, w_1, w_2 = symbols("a b d e w_1 w_2", real=True)


def checkerboard(light: Expr, dark: Expr) -> tuple:
    return tuple(
        tuple(((light, dark)[(row + column) % 2],) for row in range(SQUARES))
        for column in range(SQUARES)
    )


m = symbols("m", real=True)
ms_ssim = Loss(
    function=ms_ssim_loss,
    arguments=(checkerboard(x_1, x_2), checkerboard(y_1, y_2)),
    preset={"data_range": 1.0, "weights": TWO_SCALES},
    formula=Piecewise(
        (1 - c ** Rational(1, 4) * bright ** Rational(3, 4), c > 0),
        (1 - c / 4, True),
    ),
    where={
        c: ratio(b * e, b**2 + e**2, C_2 / (1 - m**4)),
        bright: luminance(a, d),
        a: (x_1 + x_2) / 2,
        d: (y_1 + y_2) / 2,
        b: (x_1 - x_2) / 2,
        e: (y_1 - y_2) / 2,
        # What a window's mean sees of a line of squares: next to nothing.
        m: Sum((-1) ** i * bell(i, Rational(3, 2)), (i, -5, 5))
        / Sum(bell(i, Rational(3, 2)), (i, -5, 5)),
        **CONSTANTS,
    },
    keywords={"data_range": R},
    domain=dict.fromkeys((x_1, x_2, y_1, y_2), (0, 1)) | {R: (0.5, 2)},
    bounds=(0, 2),
    properties=frozenset({"symmetric"}),
    reference="wang2003multiscale",
)

# Two of the five scales of one window: σ = ½ and 1, and 5 pixels a side.
m_x, m_y, v_x, v_y, v_xy, f, h = (
    IndexedBase(name, shape=(2,), real=True)[j]
    for name in (
        r"\mu_x",
        r"\mu_y",
        r"\sigma_x^2",
        r"\sigma_y^2",
        r"\sigma_{xy}",
        "c",
        "l",
    )
)
factor = IndexedBase("c", shape=(2,), real=True)
brightness = IndexedBase("l", shape=(2,), real=True)
ms_ssim_l1 = Loss(
    function=ms_ssim_l1_loss,
    arguments=((x,) * 5, (y,) * 5),
    preset={"data_range": 1.0, "sigmas": (0.5, 1.0)},
    formula=Sum(
        alpha * (1 - brightness[1] * factor[0] * factor[1])
        + (1 - alpha) * at_scale(Abs(x[k, i] - y[k, i])).subs(j, 1) / R,
        (k, 0, C - 1),
    )
    / C,
    where={
        h: luminance(m_x, m_y),
        f: ratio(v_xy, v_x + v_y, C_2),
        v_xy: at_scale(x[k, i] * y[k, i]) - m_x * m_y,
        v_x: at_scale(x[k, i] ** 2) - m_x**2,
        v_y: at_scale(y[k, i] ** 2) - m_y**2,
        m_x: at_scale(x[k, i]),
        m_y: at_scale(y[k, i]),
        total: Sum(weight[j, i], (i, 0, M - 1)),
        weight[j, i]: bell(i - middle, Rational(1, 2) * 2**j),
        **CONSTANTS,
    },
    keywords={"data_range": R},
    sizes={C: 1, M: 5},
    domain={x: (0, 1), y: (0, 1), R: (0.5, 2), alpha: (0, 1)},
    properties=frozenset({"lipschitz", "symmetric"}),
    reference="zhao2017loss",
)

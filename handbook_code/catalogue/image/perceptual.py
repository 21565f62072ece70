"""Distances in a pyramid of bands, and between features of unit length.

The entry of NLPD is written for one row of pixels, x₁ φ₁ + x₂ φ₂ + x₃ φ₃: of
a row the bands are short sums. The tables that the formula names are made
here a second time, in exact numbers, from the description of the pyramid.
"""

from fractions import Fraction
from functools import cache

import mpmath
from sympy import Abs, Function, IndexedBase, Rational, Sum, sqrt, symbols

from handbook_code.catalogue._loss import Loss
from handbook_code.image import perceptual

K, C, H, W = symbols("K C H W", integer=True, positive=True)
s, i, j, k, d = symbols("s i j k d", integer=True)
SIZE = 33  # the shortest row whose residual has two pixels
ROWS = tuple(
    tuple(Fraction(1 + (7 * place * (n + 2) + place**2) % 31, 30 * (n + 3))
          for place in range(SIZE))
    for n in range(3)
)  # fmt: skip


FLOORS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)
POOLS = (  # up, left, right, down, two to the right, as NLP_dist.m has them
    (0.1011, 0.1493, 0.1460, 0.1015, 0.0072),
    (0.0757, 0.1986, 0.1846, 0.0837, 0.0),
    (0.0477, 0.2138, 0.2243, 0.0467, 0.0),
    (0.0, 0.2503, 0.2616, 0.0, 0.0),
    (0.0, 0.2598, 0.2552, 0.0, 0.0),
    (0.0, 0.2215, 0.0717, 0.0, 0.0),
)


def low_pass(row: list[Fraction]) -> list[Fraction]:
    """Every second pixel of the blurred row, mirrored at its ends."""
    wide = [row[1], row[0], *row, row[-1], row[-2]]
    taps = [Fraction(n, 20) for n in (1, 5, 8, 5, 1)]
    return [
        sum(tap * wide[place + t] for t, tap in enumerate(taps))
        for place in range(0, len(row), 2)
    ]


def interpolated(row: list[Fraction], size: int) -> list[Fraction]:
    """Zeros between the pixels, and a blur; the ends are repeated."""
    stuffed = []
    for pixel in (row[0], *row, row[-1]):
        stuffed += [2 * pixel, Fraction(0)]
    stuffed += [Fraction(0)]
    taps = [Fraction(n, 20) for n in (1, 5, 8, 5, 1)]
    return [
        sum(tap * stuffed[place + t] for t, tap in enumerate(taps))
        for place in range(size)
    ]


@cache
def bands(picture: int) -> list[list[Fraction]]:
    """The pyramid of one of the rows."""
    row, found = list(ROWS[picture]), []
    for _ in range(5):
        low = low_pass(row)
        up = interpolated(low, len(row))
        found.append([a - b for a, b in zip(row, up, strict=True)])
        row = low
    return [*found, row]


class Table(Function):
    """A number for each index, written as a letter with these indices."""

    letter = "T"

    def _latex(self, printer, exp=None):
        indices = ", ".join(map(printer._print, self.args))
        return rf"{self.letter}_{{{indices}}}"


def number(value: Fraction | float) -> mpmath.mpf:
    exact = Fraction(str(value)) if isinstance(value, float) else value
    return mpmath.mpf(exact.numerator) / exact.denominator


class Bands(Table):
    letter = "B"

    @staticmethod
    def _imp_(scale, place, picture):
        band = bands(int(picture))[int(scale) - 1]
        return number(band[place]) if 0 <= place < len(band) else 0


class Pool(Table):
    letter = "P"

    @staticmethod
    def _imp_(scale, distance):
        _, left, right, _, far = POOLS[int(scale) - 1]
        return number({-1: left, 1: right, 2: far}.get(int(distance), 0.0))


class Floor(Table):
    letter = r"\sigma"

    @staticmethod
    def _imp_(scale):
        return number(FLOORS[int(scale) - 1])


class Size(Table):
    letter = "n"

    @staticmethod
    def _imp_(scale):
        return len(bands(0)[int(scale) - 1])


x, y = (IndexedBase(name, shape=(K,), real=True) for name in "xy")
u, v, z, z_y = (
    IndexedBase(name, real=True) for name in ("u", "v", "z", r"z^{(y)}")
)


def picture(a: IndexedBase) -> tuple:
    """One channel of one row of pixels."""
    return tuple(
        ((sum(Rational(r[p].numerator, r[p].denominator) * a[n]
              for n, r in enumerate(ROWS)),),)
        for p in range(SIZE)
    )  # fmt: skip


def normalised(band: IndexedBase):
    near = Sum(Pool(s, d) * Abs(band[s, i - d]), (d, -2, 2))
    return band[s, i] / (Floor(s) + near)


nlpd = Loss(
    function=perceptual.nlpd,
    arguments=(picture(x), picture(y)),
    formula=Rational(1, 6)
    * Sum(
        sqrt(Sum((u[s, i] - v[s, i]) ** 2, (i, 0, Size(s) - 1)) / Size(s)),
        (s, 1, 6),
    ),
    where={
        u[s, i]: normalised(z),
        v[s, i]: normalised(z_y),
        z[s, i]: Sum(Bands(s, i, k) * x[k], (k, 0, K - 1)),
        z_y[s, i]: Sum(Bands(s, i, k) * y[k], (k, 0, K - 1)),
    },
    sizes={K: len(ROWS)},
    domain={x: (0, 1), y: (0, 1)},  # and so is every pixel
    properties=frozenset({"symmetric", "lipschitz"}),
    reference="laparra2016perceptual",
)

f, g = (IndexedBase(name, shape=(C, H, W), real=True) for name in "xy")
w = IndexedBase("w", shape=(C,), positive=True)
f_unit, g_unit = (
    IndexedBase(name, shape=(C, H, W), real=True)
    for name in (r"\hat{x}", r"\hat{y}")
)


def unit(a: IndexedBase):
    return a[k, i, j] / sqrt(Sum(a[d, i, j] ** 2, (d, 0, C - 1)))


lpips_layer = Loss(
    function=perceptual.lpips_layer_loss,
    arguments=(f, g, w),
    shared=frozenset({w}),
    formula=Sum(
        w[k] * (f_unit[k, i, j] - g_unit[k, i, j]) ** 2,
        (k, 0, C - 1),
        (i, 0, H - 1),
        (j, 0, W - 1),
    )
    / (H * W),
    where={f_unit[k, i, j]: unit(f), g_unit[k, i, j]: unit(g)},
    sizes={C: 2, H: 2, W: 3},
    properties=frozenset({"symmetric", "scale invariant", "homogeneous"}),
    reference="zhang2018unreasonable",
)

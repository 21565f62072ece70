"""Distances that maps induce, and how sensitive they are.

The maps act on each element by itself, so that the formulas can be
evaluated; the code allows any.
"""

from typing import Any

from sympy import IndexedBase, Lambda, Sum, diff, sqrt, symbols
from sympy.utilities.lambdify import implemented_function

from handbook_code.catalogue._loss import Loss
from handbook_code.perception.distances import (
    euclidean_distance,
    inner_distance,
    perceptual_distance,
    reconstruction_distance,
    rms_sensitivity,
    self_distance,
    sensitivity,
)

D = symbols("D", integer=True, positive=True)
k = symbols("k", integer=True)
u, a, b, c, d = symbols("u a b c d", real=True)
x, x_1, x_2 = (
    IndexedBase(name, shape=(D,), real=True) for name in ("x", "x_1", "x_2")
)


def network(u: Any) -> Any:
    """Some smooth function of numbers of any kind."""
    return u / 2 + u / (1 + u * u)


slope = Lambda(u, diff(network(u), u))
response = implemented_function("S", network)
encoder = implemented_function("e", network)
autoencoder = implemented_function("f", network)
response_slope = implemented_function("Sprime", slope)


def length(difference):
    return sqrt(Sum(difference**2, (k, 0, D - 1)))


def apart(function, stands_for):
    return Loss(
        function=function,
        arguments=(x_1, x_2, Lambda(u, stands_for(u))),
        formula=length(stands_for(x_1[k]) - stands_for(x_2[k])),
        preset={"reduction": "mean"},
        sizes={D: 3},
        properties=frozenset({"symmetric", "lipschitz"}),
        reference="hepburn2022relation",
    )


euclidean = Loss(
    function=euclidean_distance,
    arguments=(x_1, x_2),
    formula=length(x_1[k] - x_2[k]),
    preset={"reduction": "mean"},
    sizes={D: 3},
    properties=frozenset(
        {
            "symmetric",
            "convex",
            "lipschitz",
            "homogeneous",
            "translation invariant",
        }
    ),
    reference="hepburn2022relation",
)

perceptual = apart(perceptual_distance, response)
inner = apart(inner_distance, encoder)
reconstruction = apart(reconstruction_distance, autoencoder)

own = Loss(
    function=self_distance,
    arguments=(x, Lambda(u, autoencoder(u))),
    formula=length(x[k] - autoencoder(x[k])),
    preset={"reduction": "mean"},
    sizes={D: 1},  # a walk then meets what is reconstructed without fault
    properties=frozenset({"lipschitz"}),
    reference="hepburn2022relation",
)

# Of two points of the plane: the root of the distance of their images under a
# map that mixes the axes. It is a distance, too, and not the norm of a
# difference.
apart_in_plane = Lambda(
    ((a, b), (c, d)),
    sqrt(sqrt((a + b / 2 - c - d / 2) ** 2 + (a * b - c * d) ** 2)),
)

ratio = Loss(
    function=sensitivity,
    arguments=(apart_in_plane, x_1, x_2),
    formula=apart_in_plane((x_1[0], x_1[1]), (x_2[0], x_2[1]))
    / length(x_1[k] - x_2[k]),
    preset={"reduction": "mean"},
    sizes={D: 2},
    properties=frozenset({"symmetric"}),
    reference="hepburn2022relation",
)

rms = Loss(
    function=rms_sensitivity,
    arguments=(Lambda(u, response(u)), x),
    formula=length(response_slope(x[k])) / sqrt(D),
    preset={"reduction": "mean"},
    sizes={D: 3},
    properties=frozenset({"lipschitz", "differentiable", "smooth"}),
    reference="hepburn2022relation",
)

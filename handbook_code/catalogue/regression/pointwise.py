"""Losses of one residual r, or of N pairs; δ is where a square turns linear.

Predictions are x, observations y, and r = x − y.
"""

from sympy import (
    Abs,
    IndexedBase,
    Integer,
    Piecewise,
    Sum,
    Symbol,
    cosh,
    erf,
    exp,
    gamma,
    log,
    pi,
    sqrt,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.regression.pointwise import (
    huber_loss,
    log_cosh_loss,
    mae_loss,
    mse_loss,
    quantile_loss,
    rmse_loss,
    rmsle_loss,
)

r, y = symbols("r y", real=True)
delta, tau = symbols("delta tau", positive=True)
N = Symbol("N", integer=True, positive=True)
i = Symbol("i", integer=True)
predicted = IndexedBase("x", shape=(N,), real=True)
observed = IndexedBase("y", shape=(N,), real=True)

ONE_RESIDUAL = {"symmetric", "convex", "translation invariant"}

mae = Loss(
    function=mae_loss,
    arguments=(y + r, y),
    formula=Abs(r),
    properties=frozenset(ONE_RESIDUAL | {"homogeneous", "lipschitz"}),
    noise=("Laplace", Integer(2)),
    reference="laplace1774causes",
)

mse = Loss(
    function=mse_loss,
    arguments=(y + r, y),
    formula=r**2,
    properties=frozenset(
        ONE_RESIDUAL | {"homogeneous", "differentiable", "smooth"}
    ),
    noise=("Gaussian", sqrt(pi)),
    reference="gauss1809theoria",
)

rmse = Loss(
    function=rmse_loss,
    arguments=(predicted, observed),
    coupled=True,
    formula=sqrt(
        Sum((predicted[i] - observed[i]) ** 2, (i, 0, N - 1)) / N
    ),
    sizes={N: 4},
    properties=mae.properties,
    reference="gauss1823combinationis",
)

# Drawn from counts and sizes, which are positive; defined from −1 on.
rmsle = Loss(
    function=rmsle_loss,
    arguments=(predicted, observed),
    coupled=True,
    formula=sqrt(
        Sum(
            (log(1 + predicted[i]) - log(1 + observed[i])) ** 2,
            (i, 0, N - 1),
        )
        / N
    ),
    sizes={N: 4},
    domain={predicted: (0, 9), observed: (0, 9)},
    properties=frozenset({"symmetric", "lipschitz"}),
    reference="box1964transformations",
)

log_cosh = Loss(
    function=log_cosh_loss,
    arguments=(y + r, y),
    formula=delta**2 * log(cosh(r / delta)),
    domain={delta: (0.25, 4)},
    properties=frozenset(
        ONE_RESIDUAL | {"lipschitz", "differentiable", "smooth"}
    ),
    noise=(
        "power of a hyperbolic secant",
        sqrt(pi) * delta * gamma(delta**2 / 2) / gamma((delta**2 + 1) / 2),
    ),
    reference="green1990reconstructions",
)

huber = Loss(
    function=huber_loss,
    arguments=(y + r, y),
    formula=Piecewise(
        (r**2 / 2, Abs(r) <= delta),
        (delta * (Abs(r) - delta / 2), True),
        evaluate=False,  # keeps |r| ≤ δ from being printed as δ ≥ |r|
    ),
    domain={delta: (0.25, 4)},
    properties=frozenset(ONE_RESIDUAL | {"lipschitz", "differentiable"}),
    noise=(
        "Gaussian with Laplace tails",
        sqrt(2 * pi) * erf(delta / sqrt(2))
        + 2 * exp(-(delta**2) / 2) / delta,
    ),
    lacks={
        "forward over reverse": "torch's huber_loss_backward has no "
        "forward derivative"
    },
    reference="huber1964robust",
)

quantile = Loss(
    function=quantile_loss,
    arguments=(y + r, y),
    formula=Piecewise((-tau * r, r < 0), ((1 - tau) * r, True)),
    keywords={"quantile": tau},
    domain={tau: (0.02, 0.98)},
    properties=frozenset(
        {"convex", "translation invariant", "homogeneous", "lipschitz"}
    ),
    noise=("asymmetric Laplace", 1 / (tau * (1 - tau))),
    reference="koenker1978quantiles",
)

"""Losses of a network that makes samples and one that judges them."""

from sympy import (
    Expr,
    IndexedBase,
    Lambda,
    Sum,
    Symbol,
    cos,
    diff,
    exp,
    log,
    oo,
    sin,
    sqrt,
    symbols,
)

from handbook_code.catalogue._loss import Loss
from handbook_code.generative.adversarial import (
    gradient_penalty,
    minimax_discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)

M, N = symbols("M N", integer=True, positive=True)
i, j, k = symbols("i j k", integer=True)

z = IndexedBase("z", shape=(N,), real=True)
z_fake = IndexedBase("ztilde", shape=(M,), real=True)
D, D_fake = IndexedBase("D", real=True), IndexedBase("Dtilde", real=True)


def mean_real(term: Expr) -> Expr:
    return Sum(term, (i, 0, N - 1)) / N


def mean_fake(term: Expr) -> Expr:
    return Sum(term, (j, 0, M - 1)) / M


believed = {D_fake[j]: 1 / (1 + exp(-z_fake[j]))}

minimax_discriminator = Loss(
    function=minimax_discriminator_loss,
    arguments=(z, z_fake),
    coupled=True,
    formula=-mean_real(log(D[i])) - mean_fake(log(1 - D_fake[j])),
    where={D[i]: 1 / (1 + exp(-z[i]))} | believed,
    sizes={N: 3, M: 2},
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="goodfellow2014generative",
)

minimax_generator = Loss(
    function=minimax_generator_loss,
    arguments=(z_fake,),
    coupled=True,
    formula=mean_fake(log(1 - D_fake[j])),
    where=believed,
    sizes={M: 3},
    bounds=(-oo, 0),
    properties=frozenset({"differentiable", "lipschitz", "smooth"}),
    reference="goodfellow2014generative",
)

non_saturating_generator = Loss(
    function=non_saturating_generator_loss,
    arguments=(z_fake,),
    coupled=True,
    formula=-mean_fake(log(D_fake[j])),
    where=believed,
    sizes={M: 3},
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="goodfellow2014generative",
)

s = IndexedBase("s", shape=(N,), real=True)
s_fake = IndexedBase("stilde", shape=(M,), real=True)

wasserstein_critic = Loss(
    function=wasserstein_critic_loss,
    arguments=(s, s_fake),
    coupled=True,
    formula=mean_fake(s_fake[j]) - mean_real(s[i]),
    sizes={N: 3, M: 2},
    bounds=(-oo, oo),
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="arjovsky2017wasserstein",
)

wasserstein_generator = Loss(
    function=wasserstein_generator_loss,
    arguments=(s_fake,),
    coupled=True,
    formula=-mean_fake(s_fake[j]),
    sizes={M: 3},
    bounds=(-oo, oo),
    properties=frozenset({"convex", "differentiable", "lipschitz", "smooth"}),
    reference="arjovsky2017wasserstein",
)

x, made, between = (
    IndexedBase(name, shape=(N, 2), real=True)
    for name in ("x", "xtilde", "xhat")
)
mix = IndexedBase("epsilon", shape=(N,), real=True)
steepness = IndexedBase(Symbol(r"\lVert\nabla f(\hat{x})\rVert"), shape=(N,))
lamda = symbols("lambda", positive=True)

# Any critic will do for the comparison; this one has curvature everywhere.
a, b = symbols("a b", real=True)
critic = Lambda(((a, b),), 2 * sin(a) + a * b / 2 + cos(b / 2))


def at_sample(slope: Expr) -> Expr:
    place = {a: between[i, 0], b: between[i, 1]}
    return slope.subs(place, simultaneous=True)


penalty = Loss(
    function=gradient_penalty,
    arguments=(critic, x, made),
    given={"mixing": mix},
    coupled=True,
    formula=lamda * mean_real((steepness[i] - 1) ** 2),
    where={
        steepness[i]: sqrt(
            at_sample(diff(critic.expr, a)) ** 2
            + at_sample(diff(critic.expr, b)) ** 2
        ),
        between[i, k]: mix[i] * x[i, k] + (1 - mix[i]) * made[i, k],
    },
    keywords={"weight": lamda},
    sizes={N: 3},
    domain={mix: (0, 1), lamda: (1, 20)},
    properties=frozenset({"differentiable"}),
    reference="gulrajani2017improved",
)

"""What a catalogue entry can say, tried on losses made up for the purpose."""

import pytest
import sympy as sp
import torch
from sympy import IndexedBase, Lambda, Sum, Symbol, exp, log, sin
from torch import nn

import test_catalogue as suite
from exact import exact, exact_slope
from handbook_code._reduce import reduce
from handbook_code.catalogue import Loss

x, y, n, a = sp.symbols("x y n a", real=True)
w = Symbol("w", positive=True)
N = Symbol("N", integer=True, positive=True)
i, j = sp.symbols("i j", integer=True)
rows = IndexedBase("x", shape=(N,), real=True)
count = IndexedBase("c", shape=(N,), positive=True)


def entry(function, **fields) -> Loss:
    return Loss(
        function=function, properties=frozenset(), reference="", **fields
    )


def assert_agrees(loss, generator):
    values, options = loss.sample(5, generator), loss.options(generator)
    drawn = {v: value.requires_grad_() for v, value in values.items()}
    actual = loss(*loss.tensors(values), **options)
    torch.testing.assert_close(
        actual.detach().cpu(), exact(loss, values, options)
    )
    slopes = torch.autograd.grad(
        actual.sum(), list(drawn.values()), materialize_grads=True
    )
    for variable, slope in zip(drawn, slopes, strict=True):
        expected = exact_slope(loss, values, options, variable)
        torch.testing.assert_close(slope.cpu(), expected)


def held(x, y, *, reduction="mean"):
    alpha = torch.sigmoid(x * y).detach()
    return reduce(alpha * (x - y) ** 2, reduction, x.dtype)


def test_a_constant_has_a_value_and_no_slope(generator):
    """As CIoU's α: it depends on the prediction, its gradient does not."""
    alpha, m = sp.symbols("alpha m", real=True)
    fields = {
        "arguments": (x, y),
        "formula": alpha * (x - y) ** 2,
        "where": {alpha: 1 / (1 + exp(-m)), m: x * y},
    }
    assert_agrees(entry(held, held=frozenset({alpha}), **fields), generator)
    with pytest.raises(AssertionError, match="not close"):
        assert_agrees(entry(held, **fields), generator)


def harmonised(x):
    density = (1 + x**2).sum().detach() + x.detach()
    return ((x**2) / density).sum()


def test_a_constant_may_be_an_array(generator):
    """As GHM's density: one constant for every sample of the batch."""
    loss = entry(
        harmonised,
        arguments=(rows,),
        coupled=True,
        formula=Sum(rows[i] ** 2 / count[i], (i, 0, N - 1)),
        where={count[i]: Sum(1 + rows[j] ** 2, (j, 0, N - 1)) + rows[i]},
        held=frozenset({count[i]}),
        sizes={N: 3},
        domain={rows: (0, 3)},
    )
    assert not loss.reduces
    assert_agrees(loss, generator)


def test_one_number_by_nature_is_coupled():
    with pytest.raises(ValueError, match=r"^coupled: expected True .* harm"):
        entry(harmonised, arguments=(rows,), formula=rows[0])


def weighted(x, *, weight, reduction="mean"):
    each = weight * x**2
    if reduction == "mean":
        return each.sum() / weight.sum()
    return reduce(each, reduction, x.dtype)


def test_a_mean_may_divide_by_shares(generator):
    """As cross entropy's: by the weights of the samples."""
    loss = entry(
        weighted,
        arguments=(x,),
        given={"weight": w},
        formula=w * x**2,
        share=w,
    )
    assert_agrees(loss, generator)
    tensors = loss.call(20, generator)
    each = loss.apply(*tensors, reduction="none")
    share = sp.lambdify(w, loss.share)(tensors[1])
    mean = loss.apply(*tensors)
    torch.testing.assert_close(mean, each.sum() / share.sum())


def denoising(model, x, *, noise=None, reduction="mean"):
    if noise is None:
        noise = torch.randn_like(x)
    return reduce((model(x + noise) - noise) ** 2, reduction, x.dtype)


def test_a_stochastic_loss_of_a_network_is_given_both(generator):
    """As in diffusion: the entry brings the noise and the network."""
    network = Lambda(a, sin(a) + a / 3)
    loss = entry(
        denoising,
        arguments=(network, x),
        given={"noise": n},
        formula=(network(x + n) - n) ** 2,
    )
    assert loss.variables == (n, x)
    assert_agrees(loss, generator)


def by_features(x, y, *, extractor, reduction="mean"):
    each = sum(
        (f - g) ** 2 for f, g in zip(extractor(x), extractor(y), strict=True)
    )
    return reduce(each, reduction, x.dtype)


def test_a_network_may_be_given_by_name(generator):
    """As a perceptual loss its extractor, here of two maps."""
    loss = entry(
        by_features,
        arguments=(x, y),
        given={"extractor": Lambda(a, (a, sin(a)))},
        formula=(x - y) ** 2 + (sin(x) - sin(y)) ** 2,
    )
    assert loss.variables == (x, y)
    assert_agrees(loss, generator)
    suite.test_a_criterion_is_the_loss(loss, generator)
    suite.test_compile_captures_the_whole_loss(loss, generator)


def scaled(x, scale, *, delta=1.0, reduction="mean"):
    return reduce(delta * scale * x**2, reduction, x.dtype)


class Scaled(nn.Module):
    def __init__(self, delta):
        super().__init__()
        self.scale, self.delta = nn.Parameter(torch.ones(20)), delta

    def forward(self, x):
        return scaled(x, self.scale, delta=self.delta)


def test_a_module_may_own_an_argument(generator):
    """As ArcFace its class centers: 20 of them, one for each sample."""
    delta = Symbol("delta", positive=True)
    loss = entry(
        scaled,
        arguments=(x, y),
        formula=delta * y * x**2,
        module=lambda delta: Scaled(delta).double(),
    )
    assert_agrees(loss, generator)
    suite.test_a_module_owns_arguments_and_keeps_them(loss, generator)


def test_classes_and_sums_are_written_out_at_a_size():
    K = Symbol("K", integer=True, positive=True)
    k, t = sp.symbols("k t", integer=True)
    z = IndexedBase("z", shape=(K,), real=True)
    loss = entry(
        lambda z, t, *, reduction="mean": z,
        arguments=(z, t),
        formula=log(Sum(exp(z[k]), (k, 0, K - 1))) - z[t],
        sizes={K: 3},
        domain={t: {0, 1, 2}},
    )
    two = loss.at({K: 2, t: 1})
    assert two == log(exp(z[0]) + exp(z[1])) - z[1]

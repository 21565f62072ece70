"""The two roads of a loss are one loss, and each is taken where it should."""

import inspect
from functools import partial

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from handbook_code import (
    _fused,
    cross_entropy_loss,
    focal_loss,
    formulas_only,
    huber_loss,
    info_nce_loss,
    mae_loss,
    mse_loss,
)
from handbook_code.catalogue import CATALOGUE

two_roads = pytest.mark.parametrize(
    "loss",
    [loss for loss in CATALOGUE if hasattr(loss.function, "one_pass")],
    ids=lambda loss: loss.name,
)


@pytest.fixture(params=[False, True], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(_fused, "BLOCK", 7)


def both(loss, arguments, **options):
    """Value and slopes by the pass, and by the formula."""
    positional, given = loss.split(*arguments)
    names = list(inspect.signature(loss.function).parameters)
    tensors = dict(zip(names, positional, strict=False)) | given
    named = loss.preset | options | tensors
    wanted = tuple(
        isinstance(named.get(name), torch.Tensor)
        for name in loss.function.names
    )
    slopes_of = [named[n] for n in loss.function.names if n in named]
    with torch.no_grad():
        value, slopes = loss.function.one_pass(**named, wanted=wanted)
    with formulas_only():
        for tensor in slopes_of:
            tensor.requires_grad_()
        expected = loss.function(**named)
        right = torch.autograd.grad(expected.sum(), slopes_of)
        for tensor in slopes_of:
            tensor.requires_grad_(False)
    return (value, *[s for s in slopes if s is not None]), (
        expected.detach(),
        *right,
    )


@two_roads
def test_they_agree(loss, blocks, generator):
    """In every reduction, for random keywords."""
    for _ in range(5):
        options = loss.options(generator)
        arguments = loss.call(20, generator)
        reductions = ("mean", "sum", "none") if loss.reduces else (None,)
        for reduction in reductions:
            given = {"reduction": reduction} if reduction else {}
            if not fits(loss, arguments, **options, **given):
                continue
            actual, expected = both(loss, arguments, **options, **given)
            torch.testing.assert_close(actual, expected)


def fits(loss, arguments, **options):
    when = loss.function.when
    return when is None or when(*arguments, **{**loss.preset, **options})


@two_roads
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_they_agree_in_lower_precision(loss, dtype, blocks, generator):
    arguments = [
        a.to(dtype) if a.is_floating_point() else a
        for a in loss.call(20, generator)
    ]
    if not fits(loss, arguments):
        pytest.skip("the pass is not for this")
    actual, rounded = both(loss, arguments)
    assert actual[0].dtype == dtype
    wide = [a.double() if a.is_floating_point() else a for a in arguments]
    _, exact = both(loss, wide)
    tolerance = 4 * torch.finfo(dtype).eps
    for ours, formula, right in zip(actual, rounded, exact, strict=True):
        # Where the formula has few digits, so may the pass.
        gap = (formula - right).abs().max().item()
        torch.testing.assert_close(
            ours.to(dtype).double(),
            right.double(),
            rtol=tolerance,
            atol=tolerance + 64 * gap,
        )


@pytest.fixture
def taken(monkeypatch):
    """Which road is taken, call by call."""
    calls = []
    road = _fused._OnePass.apply
    monkeypatch.setattr(
        _fused._OnePass, "apply", lambda *a: calls.append(1) or road(*a)
    )
    return calls


@pytest.fixture
def logits():
    return torch.linspace(-3, 3, 1 << 15, dtype=torch.float64)


def test_the_pass_is_taken_for_one_gradient_only(taken, logits):
    y = (logits > 1).double()
    x = logits.clone().requires_grad_()
    focal_loss(x, y).backward()
    assert len(taken) == 1
    with formulas_only():
        focal_loss(x, y)
    torch.func.grad(focal_loss)(logits, y)
    torch.vmap(focal_loss)(torch.stack([x, x]), torch.stack([y, y]))
    torch.func.jvp(lambda z: focal_loss(z, y), (logits,), (y,))
    focal_loss(x, y.clone().requires_grad_())
    focal_loss(x[:10], y[:10])
    torch.compile(focal_loss, fullgraph=True, backend="eager")(x, y)
    assert len(taken) == 1


def test_the_switch_works_as_a_decorator_and_ends(taken, logits):
    x, y = logits.clone().requires_grad_(), torch.zeros_like(logits)
    formulas_only()(focal_loss)(x, y)
    assert not taken
    focal_loss(x, y)
    assert taken


def test_without_a_gradient_none_is_computed(taken, logits, monkeypatch):
    wanted = []
    right = _fused.elementwise

    def elementwise(*arguments):
        wanted.append(arguments[-1])
        return right(*arguments)

    module = inspect.getmodule(focal_loss.one_pass)
    monkeypatch.setattr(module, "elementwise", elementwise)
    x, y = logits.clone().requires_grad_(), torch.zeros_like(logits)
    with torch.no_grad():
        value = focal_loss(x, y)
    assert wanted == [False] and not taken and not value.requires_grad


def test_a_second_derivative_is_that_of_the_formula(logits):
    x, y = logits.clone().requires_grad_(), torch.ones_like(logits)

    def curvature():
        (slope,) = torch.autograd.grad(focal_loss(x, y), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), x)[0]

    by_pass = curvature()
    with formulas_only():
        torch.testing.assert_close(by_pass, curvature())


def test_a_graph_that_is_kept_gives_the_same_gradient_again(logits):
    x = logits.clone().requires_grad_()
    loss = focal_loss(x, torch.zeros_like(x))
    loss.backward(retain_graph=True)
    once = x.grad.clone()
    loss.backward(retain_graph=True)
    torch.testing.assert_close(x.grad, 2 * once)
    (slope,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(slope, once)


def test_a_gradient_is_scaled_by_what_comes_after_the_loss(logits):
    x, y = logits.clone().requires_grad_(), torch.zeros_like(logits)
    (slope,) = torch.autograd.grad(focal_loss(x, y), x)
    (thrice,) = torch.autograd.grad(3 * focal_loss(x, y), x)
    torch.testing.assert_close(thrice, 3 * slope)
    pull = torch.rand_like(x)
    each = focal_loss(x, y, reduction="none")
    (pulled,) = torch.autograd.grad(each, x, pull)
    torch.testing.assert_close(pulled, pull * slope * x.numel())


def test_gradients_in_batches_work_on_the_pass(logits):
    x = logits.clone().requires_grad_()
    loss = focal_loss(x, torch.zeros_like(x))
    (many,) = torch.autograd.grad(
        loss,
        x,
        torch.tensor([1.0, 2.0]).double(),
        is_grads_batched=True,
        retain_graph=True,
    )
    torch.testing.assert_close(many[1], 2 * many[0])


def test_a_mistake_is_told_by_the_loss(logits):
    big = torch.zeros(1 << 15, requires_grad=True)
    with pytest.raises(TypeError, match=r"focal_loss\(\) missing"):
        focal_loss(big)
    with pytest.raises(TypeError, match=r"focal_loss\(\) got an unexpected"):
        focal_loss(big, big.detach(), beta=1)
    with pytest.raises(ValueError, match=r"^target: expected the shape"):
        focal_loss(big, big.detach()[:-1])
    with pytest.raises(ValueError, match=r"^reduction: "):
        focal_loss(big, big.detach(), reduction="avg")


@pytest.mark.parametrize("loss", [mse_loss, focal_loss])
@pytest.mark.parametrize("size", [10, 1 << 18], ids=["small", "large"])
def test_a_wrong_call_is_wrong_on_every_road(loss, size):
    x = torch.zeros(size, requires_grad=True)
    y = torch.zeros(size)
    name = loss.__name__
    with pytest.raises(TypeError, match=rf"{name}\(\) takes 2 positional"):
        loss(x, y, "sum")
    with pytest.raises(TypeError, match=rf"{name}\(\) got multiple values"):
        loss(x, y, **{next(iter(inspect.signature(loss).parameters)): x})
    with pytest.raises(TypeError, match=rf"{name}\(\) missing 1 required"):
        loss(x)
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected"):
        loss(x, y, beta=1)


def small(kind):
    x = torch.linspace(-3, 3, 12, dtype=kind).view(4, 3)
    if kind == torch.long:
        return torch.tensor([0, 2, 1, -100])
    return x


@pytest.mark.parametrize(
    "loss",
    [
        mae_loss,
        mse_loss,
        partial(huber_loss, delta=0.4),
        cross_entropy_loss,
        partial(
            cross_entropy_loss,
            label_smoothing=0.2,
            weight=torch.tensor([1.0, 0.5, 3.0], dtype=torch.double),
        ),
    ],
    ids=["mae", "mse", "huber", "entropy", "weighted"],
)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_a_kernel_of_torch_is_the_formula(loss, reduction):
    """Where it is taken; in value, slope, and the slope's slope."""
    function = getattr(loss, "func", loss)
    of_classes = function is cross_entropy_loss
    x = small(torch.double).requires_grad_()
    y = small(torch.long) if of_classes else small(torch.double).flip(0) / 2
    keywords = getattr(loss, "keywords", {}) | {"reduction": reduction}

    def slopes():
        value = loss(x, y, reduction=reduction)
        (slope,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        curve = torch.zeros_like(x)
        if slope.requires_grad:
            (curve,) = torch.autograd.grad(slope.square().sum(), x)
        return value, slope, curve

    assert function.shortcut(x, y, **keywords) is not None
    by_torch = slopes()
    with formulas_only():
        torch.testing.assert_close(by_torch, slopes())


def test_a_kernel_of_torch_is_left_where_it_differs():
    z, none = torch.zeros(2, 3, requires_grad=True), torch.tensor([-100, -100])
    loss = cross_entropy_loss(z, none)
    loss.backward()
    assert loss == 0 and z.grad.eq(0).all()
    x = torch.full((2,), 300.0, dtype=torch.half)
    assert mse_loss.shortcut(x, x) is None
    assert mse_loss.shortcut(x.float(), x.double()) is None
    assert mse_loss(x, -x).isinf() and mse_loss(x[:0], x[:0]) == 0
    with pytest.raises(ValueError, match=r"^reduction: "):
        mse_loss(x, x, reduction="avg")
    torch.func.jvp(torch.func.grad(mse_loss), (x, x), (x, x))


@pytest.mark.parametrize("rows", [4, 1 << 18])
def test_a_tracer_of_calls_finds_the_formula(rows):
    """A value cannot be read there, as small ones on the CPU would be."""
    z, t = torch.zeros(rows, 3), torch.zeros(rows, dtype=torch.long)
    graph = make_fx(lambda z: cross_entropy_loss(z, t))(z)
    torch.testing.assert_close(graph(z + 1), cross_entropy_loss(z, t))


def test_a_tensor_of_another_kind_takes_the_formula(taken):
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        x = torch.zeros(1 << 15, requires_grad=True)
        focal_loss(x, torch.zeros(1 << 15)).backward()
        assert x.grad.shape == x.shape
    assert not taken


@pytest.mark.parametrize("rows", [100, 600])
def test_a_loss_of_pairs_takes_the_pass_where_there_are_many(taken, rows):
    x = torch.rand(rows, 8, requires_grad=True)
    info_nce_loss(x, positive=x.detach() + 1)
    assert len(taken) == (rows > 500)

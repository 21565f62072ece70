"""What must hold for every loss in the catalogue."""

import copy
import inspect
import pickle
import re
from functools import partial

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from torch.autograd.gradcheck import GradcheckError

from exact import exact, exact_slope
from handbook_code import Criterion
from handbook_code.catalogue import CATALOGUE
from properties import PROPERTIES

every_loss = pytest.mark.parametrize(
    "loss", CATALOGUE, ids=lambda loss: loss.name
)
every_reducing_loss = pytest.mark.parametrize(
    "loss",
    [loss for loss in CATALOGUE if loss.reduces],
    ids=lambda loss: loss.name,
)
every_noise = pytest.mark.parametrize(
    "loss",
    [loss for loss in CATALOGUE if loss.noise],
    ids=lambda loss: loss.name,
)
every_module = pytest.mark.parametrize(
    "loss",
    [loss for loss in CATALOGUE if loss.module],
    ids=lambda loss: loss.name,
)


def with_slope(function, arguments, **options):
    """A value and its slope in the first argument."""
    first = arguments[0].detach().requires_grad_()
    value = function(first, *arguments[1:], **options)
    return value, *torch.autograd.grad(value.sum(), first)


@every_loss
def test_code_agrees_with_formula(loss, generator):
    values, options = loss.sample(20, generator), loss.options(generator)
    actual = loss(*loss.tensors(values), **options)
    torch.testing.assert_close(actual.cpu(), exact(loss, values, options))


@every_loss
def test_gradient_agrees_with_derivative(loss, generator):
    values, options = loss.sample(20, generator), loss.options(generator)
    drawn = {
        variable: value.requires_grad_()
        for variable, value in values.items()
        if not isinstance(loss.domain.get(variable), set)
    }
    loss(*loss.tensors(values), **options).sum().backward()
    for variable, value in drawn.items():
        expected = exact_slope(loss, values, options, variable)
        torch.testing.assert_close(value.grad.cpu(), expected)


def points_first(loss, function, arguments):
    """Widths go last, with an axis more, and so are alike to no point."""
    wide = [argument in loss.widths for argument in loss.tensor_arguments]
    order = sorted(range(len(wide)), key=wide.__getitem__)

    def reordered(*tensors):
        back = dict(zip(order, tensors, strict=True))
        return function(
            *(
                back[n].squeeze(-1) if wide[n] else back[n]
                for n in range(len(order))
            )
        )

    return reordered, [
        arguments[n].unsqueeze(-1) if wide[n] else arguments[n] for n in order
    ]


@every_loss
@pytest.mark.parametrize("name", PROPERTIES)
def test_property_is_claimed_exactly_if_it_holds(loss, name, generator):
    arguments = loss.tensors(loss.sample(1_000, generator))
    values = partial(loss, **loss.options(generator))
    values, arguments = points_first(loss, values, arguments)
    assert PROPERTIES[name](values, *arguments) == (name in loss.properties)


@every_loss
def test_no_unknown_property_is_claimed(loss):
    assert loss.properties <= PROPERTIES.keys()


@every_loss
def test_no_value_is_out_of_bounds(loss, generator):
    for _ in range(5):
        arguments = loss.tensors(loss.sample(1_000, generator))
        options = loss.options(generator)
        values = loss(*arguments, **options)
        fixed = {p: options[name] for name, p in loss.parameters.items()}
        low, high = (
            float(sp.sympify(bound).subs(fixed)) for bound in loss.bounds
        )
        assert values.min() >= low - 1e-12 and values.max() <= high + 1e-12


@every_noise
def test_the_noise_density_integrates_to_one(loss, generator):
    options = loss.options(generator)
    fixed = {p: options[name] for name, p in loss.parameters.items()}
    (r,) = loss.formula.free_symbols - fixed.keys()
    density = sp.lambdify(r, sp.exp(-loss.formula.subs(fixed)), "mpmath")
    _, normaliser = loss.noise
    knees = [options["delta"]] if "delta" in options else []
    path = [-mpmath.inf, *(-k for k in knees), 0, *knees, mpmath.inf]
    total = mpmath.quad(density, path)
    assert mpmath.almosteq(total, normaliser.subs(fixed).evalf(), 1e-9)


@every_reducing_loss
def test_reductions(loss, generator):
    arguments = loss.call(20, generator)
    each, pull = with_slope(loss.apply, arguments, reduction="none")
    total = with_slope(loss.apply, arguments, reduction="sum")
    torch.testing.assert_close(total, (each.sum(), pull))
    mean = with_slope(loss.apply, arguments)
    share = each.numel()
    if loss.share != 1:
        values = loss.sample(20, generator)
        arguments = loss.batch(values)
        each, pull = with_slope(loss.apply, arguments, reduction="none")
        mean = with_slope(loss.apply, arguments)
        count = sp.lambdify(loss.variables, loss.share, vars(torch))
        samples = zip(*(values[v] for v in loss.variables), strict=True)
        share = sum(count(*sample) for sample in samples)
    torch.testing.assert_close(mean, (each.sum() / share, pull / share))


@every_reducing_loss
def test_an_unknown_reduction_is_refused(loss, generator):
    first, *rest = loss.call(3, generator)
    for needs_gradient in (False, True):
        first = first.detach().requires_grad_(needs_gradient)
        with pytest.raises(ValueError, match=r"^reduction: .* got 'avg'"):
            loss.apply(first, *rest, reduction="avg")


@every_loss
def test_a_batch_is_one_number(loss, generator):
    assert loss.apply(*loss.call(20, generator)).shape == ()


@every_loss
def test_an_empty_batch_costs_a_differentiable_nothing(loss, generator):
    arguments = [
        a if shared else a[:0]
        for a, shared in zip(
            loss.call(2, generator), loss.is_shared, strict=True
        )
    ]
    value, slope = with_slope(loss.apply, arguments)
    assert value == 0 and slope.shape == arguments[0].shape


@every_loss
@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_dtype_is_kept_and_value_is_right(loss, dtype, generator):
    arguments = [
        tensor.to(dtype) if tensor.is_floating_point() else tensor
        for tensor in loss.call(20, generator)
    ]
    value, slope = with_slope(loss.apply, arguments)
    assert value.dtype == slope.dtype == dtype
    wide = [a.double() if a.is_floating_point() else a for a in arguments]
    expected = with_slope(loss.apply, wide)
    tolerance = 4 * torch.finfo(dtype).eps
    for actual, right in zip((value, slope), expected, strict=True):
        torch.testing.assert_close(
            actual.double(), right, rtol=tolerance, atol=tolerance
        )


@every_loss
def test_autocast_changes_no_value(loss, device, generator):
    arguments = [
        a.float() if a.is_floating_point() else a
        for a in loss.call(20, generator)
    ]
    expected = loss.apply(*arguments)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        actual = loss.apply(*arguments)
    torch.testing.assert_close(actual, expected)


@every_loss
def test_strides_change_nothing(loss, generator):
    arguments = loss.call(20, generator)
    expected = with_slope(loss.apply, arguments)
    spread = [
        torch.stack([a, a], dim=-1)[..., 0].mT.contiguous().mT
        if a.dim() > 1
        else torch.stack([a, a], dim=-1)[..., 0]
        for a in arguments
    ]
    torch.testing.assert_close(with_slope(loss.apply, spread), expected)


@every_loss
def test_arguments_are_not_changed(loss, generator):
    arguments = loss.call(20, generator)
    before = [a.clone() for a in arguments]
    with_slope(loss.apply, arguments)
    assert all(map(torch.equal, arguments, before))


@every_loss
def test_derivatives_forward_backward_and_twice(loss, generator):
    first, *rest = loss.call(3, generator)
    options = loss.options(generator)

    def function(x):
        return loss.apply(x, *rest, **options)

    first.requires_grad_()
    if "gradcheck" in loss.lacks:  # forward and backward lack the same
        forward, backward = (
            jacobian(function)(first)
            for jacobian in (torch.func.jacfwd, torch.func.jacrev)
        )
        torch.testing.assert_close(forward, backward)
        with pytest.raises(GradcheckError):
            torch.autograd.gradcheck(function, first)
        return
    assert torch.autograd.gradcheck(
        function, first, check_forward_ad=True, check_batched_grad=True
    )
    assert torch.autograd.gradgradcheck(function, first)


@every_loss
def test_forward_over_reverse(loss, generator):
    first, *rest = loss.call(5, generator)
    slope = torch.func.grad(lambda x: loss.apply(x, *rest))
    toward = torch.randn_like(first)
    if "forward over reverse" in loss.lacks:
        with pytest.raises(NotImplementedError):
            torch.func.jvp(slope, (first,), (toward,))
        return
    _, actual = torch.func.jvp(slope, (first,), (toward,))
    _, pull = torch.func.vjp(slope, first)  # of a symmetric matrix
    torch.testing.assert_close(actual, *pull(toward))


@every_loss
def test_vmap_is_a_loop(loss, generator):
    calls = [loss.call(3, generator) for _ in range(4)]
    stacked = [torch.stack(tensors) for tensors in zip(*calls, strict=True)]
    for function in (loss.apply, torch.func.grad(loss.apply)):
        expected = torch.stack([function(*call) for call in calls])
        actual = torch.vmap(function)(*stacked)
        torch.testing.assert_close(actual, expected)


@every_loss
def test_compile_captures_the_whole_loss(loss, generator):
    arguments, options = loss.call(20, generator), loss.options(generator)
    torch.compiler.reset()
    compiled = torch.compile(
        partial(loss.apply, **options), fullgraph=True, backend="aot_eager"
    )
    torch.testing.assert_close(
        with_slope(compiled, arguments),
        with_slope(loss.apply, arguments, **options),
    )


@every_loss
def test_mixed_devices_are_refused(loss, generator):
    """The meta device is a second one that every machine has."""
    first, *rest = loss.call(3, generator)
    if rest:
        with pytest.raises(ValueError, match=r"^\w+: expected the device of"):
            loss.apply(first, *(a.to("meta") for a in rest))


@every_loss
def test_integers_are_refused(loss, generator):
    first, *rest = loss.call(3, generator)
    names = inspect.signature(loss.function).parameters
    name = next(  # of the first that is no network
        name
        for name, network in zip(names, loss.networks, strict=False)
        if network is None
    )
    for wrong, got in ((first.long(), "torch.int64"), ([0.0], "list")):
        with pytest.raises(TypeError, match=rf"^{name}: expected .* {got}$"):
            loss.apply(wrong, *rest)


@every_loss
def test_a_criterion_is_the_loss(loss, generator):
    arguments, options = loss.call(20, generator), loss.options(generator)
    positional, given = loss.split(*arguments)
    keywords = {**given, **loss.preset, **options}
    criterion = Criterion(loss.function, **keywords)
    expected = loss.apply(*arguments, **options)
    for twin in (
        criterion,
        copy.deepcopy(criterion),
        pickle.loads(pickle.dumps(criterion)),
    ):
        torch.testing.assert_close(twin(*positional), expected)
        assert repr(twin).startswith(f"Criterion({loss.name}")


@every_module
def test_a_module_owns_arguments_and_keeps_them(loss, generator):
    arguments, options = loss.call(20, generator), loss.options(generator)
    names = list(inspect.signature(loss.function).parameters)
    tensors = dict(zip(names, arguments, strict=False))
    module = loss.module(**options)
    owned = tensors.keys() & module.state_dict().keys()
    assert owned
    module.load_state_dict({n: tensors[n] for n in owned}, strict=False)
    free = [t for n, t in tensors.items() if n not in owned]
    for twin in (module, copy.deepcopy(module)):
        torch.testing.assert_close(
            twin(*free), loss.apply(*arguments, **options)
        )


@every_loss
def test_house_style(loss):
    parameters = list(inspect.signature(loss.function).parameters.values())
    tensors = parameters[: len(loss.arguments)]
    options = parameters[len(loss.arguments) :]
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in tensors)
    # A tensor that may be left out, such as negatives, needs no name.
    assert all(p.kind is p.KEYWORD_ONLY or p.default is None for p in options)
    if loss.reduces:
        last = options[-1]
        # A distance is one value per sample unless it is asked for a mean.
        default = "none" if "reduction" in loss.preset else "mean"
        assert (last.name, last.default) == ("reduction", default)
    order = ["Args", "Returns", "Raises", "Reference", ">>>"]
    section = rf"^    ({'|'.join(order)})"
    sections = re.findall(section, loss.function.__doc__, re.M)
    assert list(dict.fromkeys(sections)) == order


def test_every_reference_is_in_the_bibliography(bibliography):
    assert {loss.reference for loss in CATALOGUE} <= bibliography


def test_numbers_are_drawn_from_their_domain(generator):
    for loss in CATALOGUE:
        for symbol, domain in loss.domain.items():
            drawn = loss._draw(symbol, 100, generator).cpu().numpy()
            if isinstance(domain, tuple):
                assert np.all((domain[0] <= drawn) & (drawn <= domain[1]))
            else:
                assert set(np.unique(drawn)) <= domain

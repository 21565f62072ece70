"""Lovász losses a class at a time: equal to what the formula gives."""

import itertools

import pytest
import torch
from torch.nn.functional import one_hot

from handbook_code import lovasz_hinge_loss, lovasz_softmax_loss
from handbook_code._fused import fused
from handbook_code.classification import _fast_lovasz


def value_and_slope(loss, x, target, **options):
    x = x.detach().requires_grad_()
    value = loss(x, target, **options)
    pull = torch.linspace(1, 2, value.numel()).to(value).view(value.shape)
    return value.detach(), *torch.autograd.grad(value, x, pull)


def assert_same(loss, x, target, **options):
    formula = loss.__wrapped__
    loss = fused(loss.one_pass, *loss.names)(formula)  # whatever the size
    actual = value_and_slope(loss, x, target, **options)
    expected = value_and_slope(formula, x, target, **options)
    torch.testing.assert_close(actual, expected, equal_nan=True)
    with torch.no_grad():
        value = loss(x, target, **options)
    torch.testing.assert_close(value, expected[0], equal_nan=True)


KEYWORDS = [
    {"per_image": per_image, "reduction": reduction}
    for per_image, reduction in itertools.product(
        (False, True), ("mean", "sum", "none")
    )
]
every_keyword = pytest.mark.parametrize("options", KEYWORDS, ids=str)
every_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


@pytest.fixture
def labels(generator):
    """With a label that is no class, and a class that is absent."""
    labels = torch.randint(0, 3, (3, 4, 5), generator=generator)
    labels[0, 0, 0], labels[1, 0, 0] = 255, -1
    return labels


@pytest.fixture
def logits(generator):
    return torch.randn(3, 4, 4, 5, generator=generator, dtype=torch.float64)


@pytest.fixture(autouse=True, params=[1 << 15, 50, 10])
def long(request, monkeypatch):
    """What is taken for a long line: short ones as they are, or filled up."""
    monkeypatch.setattr(_fast_lovasz, "LONG", request.param)


@every_keyword
@every_dtype
def test_softmax_of_labels_and_masks(options, dtype, logits, labels):
    probs = logits.softmax(1).to(dtype)
    masks = one_hot(labels.clamp(0, 3), 4).movedim(-1, 1)
    for target in (labels, masks, masks.bool(), masks.double()):
        assert_same(lovasz_softmax_loss, probs, target, **options)


@every_keyword
@every_dtype
def test_hinge(options, dtype, logits, labels):
    z = 2 * logits[:, 0].to(dtype)
    for target in (labels == 0, (labels == 0).double(), labels == 9):
        assert_same(lovasz_hinge_loss, z, target, **options)
    assert_same(lovasz_hinge_loss, z[:, None], labels == 0, **options)


@every_keyword
def test_equal_errors(options, labels):
    """The earlier pixel first, and no slope where nothing is wrong."""
    for p in (0.0, 0.5, 1.0):
        probs = torch.full((3, 4, 4, 5), p)
        assert_same(lovasz_softmax_loss, probs, labels, **options)
    for z in (-1.0, -0.0, 0.0, 1.0, 2.0):
        scores = torch.full((3, 4, 5), z)
        assert_same(lovasz_hinge_loss, scores, labels == 0, **options)


@every_keyword
def test_nan_and_infinity(options, logits, labels):
    probs = logits.softmax(1).float()
    probs[1, 1, 1, 1] = float("nan")
    assert lovasz_softmax_loss(probs, labels).isnan()
    assert_same(lovasz_softmax_loss, probs, labels, **options)
    z = logits[:, 0].float()
    z[1, 1, 1] = float("nan")
    assert lovasz_hinge_loss(z, labels == 0).isnan()
    assert_same(lovasz_hinge_loss, z, labels == 0, **options)
    z[1, 1, 1] = -float("nan")
    assert_same(lovasz_hinge_loss, z, labels == 0, **options)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype, logits, labels):
    probs = logits.softmax(1).to(dtype)
    value, slope = value_and_slope(lovasz_softmax_loss, probs, labels)
    assert value.dtype == slope.dtype == dtype
    assert_same(lovasz_softmax_loss, probs, labels)
    assert_same(lovasz_hinge_loss, logits[:, 0].to(dtype), labels == 0)


def test_soft_masks_other_strides_and_one_channel(logits, labels):
    probs = logits.softmax(1).float()
    assert_same(lovasz_softmax_loss, probs, probs.flip(0))
    assert_same(lovasz_softmax_loss, probs[:, :1], labels == 0)
    assert_same(lovasz_softmax_loss, probs[:, :, 0, 0], labels[:, 0, 0])
    turned = probs.to(memory_format=torch.channels_last)
    assert_same(lovasz_softmax_loss, turned, labels.mT.contiguous().mT)
    assert_same(lovasz_hinge_loss, logits[:, 0].mT, labels.mT == 0)


@pytest.mark.parametrize("size", [300, 12_000, 40_000])
@every_dtype
def test_long_lines(size, dtype, generator):
    z = torch.randn(1, 3, size, generator=generator).to(dtype)
    t = torch.randint(0, 3, (1, size), generator=generator)
    assert_same(lovasz_softmax_loss, z.softmax(1), t)
    assert_same(lovasz_hinge_loss, z[:, 0], t == 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_order_is_that_of_a_stable_sort(dtype, generator):
    errors = torch.rand(3, 200, generator=generator, dtype=dtype)
    errors = (errors * 50).round() / 50
    errors[0, 5], errors[1, 7] = float("nan"), float("inf")
    errors[2, 9], errors[2, 10] = -0.0, torch.finfo(dtype).tiny / 2
    right = errors.sort(dim=-1, descending=True, stable=True).indices
    assert torch.equal(_fast_lovasz._worst_first(errors), right)


def test_the_arguments_are_left_as_they_are(logits, labels):
    z, soft = logits[:, 0].clone(), (labels == 0).double()
    before = z.clone(), soft.clone()
    assert_same(lovasz_hinge_loss, z, soft)
    assert_same(lovasz_softmax_loss, z[:, None], soft)
    assert torch.equal(z, before[0]) and torch.equal(soft, before[1])

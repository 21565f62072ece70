"""Overlap losses by their sums in blocks: equal to what the formula gives."""

import itertools

import pytest
import torch
from torch.nn.functional import one_hot

import handbook_code
from handbook_code import _fused, dice_loss, formulas_only, tversky_loss
from handbook_code.catalogue import CATALOGUE
from handbook_code.classification import _fast_overlap

COUNTED = [
    loss
    for loss in CATALOGUE
    if loss.chapter == "classification/overlap" and "lovasz" not in loss.name
]
OPTIONS = {"dice_loss": [{}, {"squared": True}]}
CASES = [
    pytest.param(loss.function, options, id=f"{loss.name} {options or ''}")
    for loss in COUNTED
    for options in OPTIONS.get(loss.name, [{}])
]

every_loss = pytest.mark.parametrize(("loss", "options"), CASES)


@pytest.fixture(autouse=True, params=[1 << 16, 50, 7])
def always(request, monkeypatch):
    """The pass, whatever the size: one block, an image each, and parts."""
    monkeypatch.setattr(_fast_overlap, "LEAST", 0)
    monkeypatch.setattr(_fused, "BLOCK", request.param)


@pytest.fixture
def taken(monkeypatch):
    calls = []
    road = _fast_overlap.Sums.apply
    monkeypatch.setattr(
        _fast_overlap.Sums, "apply", lambda *a: calls.append(1) or road(*a)
    )
    return calls


def value_and_slope(loss, probs, target, **options):
    probs = probs.detach().requires_grad_()
    value = loss(probs, target, **options)
    pull = torch.linspace(1, 2, value.numel()).to(value).view(value.shape)
    return value.detach(), *torch.autograd.grad(value, probs, pull)


def assert_same(loss, probs, target, **options):
    actual = value_and_slope(loss, probs, target, **options)
    with formulas_only():
        expected = value_and_slope(loss, probs, target, **options)
    torch.testing.assert_close(actual, expected, equal_nan=True)
    with torch.no_grad():
        value = loss(probs, target, **options)
    torch.testing.assert_close(value, expected[0], equal_nan=True)


@pytest.fixture
def labels(generator):
    """With a label that is no class, and a class that is absent."""
    labels = torch.randint(0, 3, (3, 4, 5), generator=generator)
    labels[0, 0, 0], labels[1, 0, 0] = 255, -1
    return labels


@pytest.fixture
def probs(generator):
    logits = torch.randn(3, 4, 4, 5, generator=generator)
    return logits.double().softmax(1)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_of_labels(loss, options, probs, labels, dtype, taken):
    assert_same(loss, probs.to(dtype), labels, **options)
    assert len(taken) == 2


@every_loss
def test_of_masks_hard_and_soft(loss, options, probs, labels, generator):
    masks = one_hot(labels.clamp(0, 3), 4).movedim(-1, 1)
    soft = torch.rand(masks.shape, generator=generator)
    for target in (masks, masks.bool(), masks.double(), soft, soft.double()):
        assert_same(loss, probs.float(), target, **options)


@every_loss
def test_every_keyword(loss, options, probs, labels):
    keywords = {
        "reduction": ("mean", "sum", "none"),
        "per_image": (False, True),
        "per_class": (False, True),
        "smooth": (0.0, 1.0),
    }
    if "generalized" in loss.__name__ or "penalty" in loss.__name__:
        del keywords["per_class"]
    for values in itertools.product(*keywords.values()):
        given = dict(zip(keywords, values, strict=True))
        assert_same(loss, probs, labels, **given, **options)


@every_loss
def test_of_one_channel(loss, options, probs, labels):
    foreground = probs[:, :1]
    for mask in (labels == 0, (labels == 0).float()[:, None]):
        assert_same(loss, foreground, mask, **options)
    assert_same(loss, foreground.flatten(1)[:, :1], labels[:, 0, 0] == 0)


@every_loss
def test_in_half_precision(loss, options, probs, labels):
    for dtype in (torch.float16, torch.bfloat16):
        value, slope = value_and_slope(loss, probs.to(dtype), labels)
        assert value.dtype == slope.dtype == dtype
        assert_same(loss, probs.to(dtype), labels, **options)


@every_loss
def test_of_other_strides(loss, options, probs, labels):
    turned = probs.to(memory_format=torch.channels_last)
    assert_same(loss, turned, labels, **options)
    every_second = probs.repeat_interleave(2, -1)[..., ::2]
    assert_same(loss, every_second, labels.mT.contiguous().mT, **options)


@every_loss
def test_nan_is_told(loss, options, probs, labels):
    probs[1, 2, 3, 4] = float("nan")
    assert loss(probs, labels, **options).isnan()
    assert_same(loss, probs, labels, **options)


@every_loss
def test_a_match_and_nothing(loss, options, probs, labels):
    match = one_hot(labels.clamp(0, 3), 4).movedim(-1, 1)
    assert_same(loss, match.double(), match, **options)
    assert_same(loss, 0 * probs, torch.zeros_like(match), **options)


@every_loss
def test_what_is_nearly_right_is_exact(loss, options, probs, labels):
    """In float32, whose rounding of an area would hide what is wrong."""
    right = one_hot(labels.clamp(0, 3), 4).movedim(-1, 1)
    near = (1 - 1e-6) * right + 1e-7 * (1 - right)
    assert_same(loss, near.float(), right, **options)


def test_the_arguments_are_left_as_they_are(probs, labels):
    soft = probs.flip(0).contiguous()
    before = [x.clone() for x in (probs, labels, soft)]
    for target in (labels, soft):
        value_and_slope(tversky_loss, probs, target)
        value_and_slope(dice_loss, probs, target, squared=True)
    assert all(map(torch.equal, before, (probs, labels, soft)))


@every_loss
def test_a_second_derivative(loss, options, probs, labels):
    x = probs[:2, :, :2, :2].clone().requires_grad_()
    y = labels[:2, :2, :2]
    options = {**options, "smooth": 1.0}
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y, **options), x)


def test_many_gradients_at_once(probs, labels):
    x = probs.requires_grad_()
    each = dice_loss(x, labels, reduction="none")
    eye = torch.eye(4, dtype=torch.float64)
    (many,) = torch.autograd.grad(
        each, x, eye, is_grads_batched=True, retain_graph=True
    )
    for pull, slope in zip(eye, many, strict=True):
        (alone,) = torch.autograd.grad(each, x, pull, retain_graph=True)
        torch.testing.assert_close(slope, alone)


def test_other_watchers_take_the_formula(probs, labels, taken):
    soft = probs.flip(0).requires_grad_()
    x = probs.clone().requires_grad_()
    dice_loss(x, soft, squared=True).backward()
    assert soft.grad is not None
    torch.func.grad(dice_loss)(probs, labels)
    torch.vmap(dice_loss)(probs[None], labels[None])
    torch.func.jvp(lambda p: dice_loss(p, labels), (probs,), (probs,))
    torch.compile(dice_loss, fullgraph=True, backend="eager")(x, labels)
    with formulas_only():
        dice_loss(x, labels)
    assert not taken
    dice_loss(x, labels, squared=True)
    assert taken


def test_what_is_held_is_given():
    """And no mask of a class."""
    probs = torch.full((1, 80, 4), 1 / 80, requires_grad=True)
    labels = torch.zeros(1, 4, dtype=torch.long)
    held = []
    pack = held.append, lambda x: x
    with torch.autograd.graph.saved_tensors_hooks(*pack):
        dice_loss(probs, labels)
    ours = {x.untyped_storage().data_ptr() for x in (probs, labels)}
    large = [x for x in held if x.numel() > 80 * 2 and x.shape[-1] == 4]
    assert {x.untyped_storage().data_ptr() for x in large} <= ours


def test_all_losses_of_the_family_are_here():
    names = {loss.__name__ for loss, _ in (c.values for c in CASES)}
    assert len(names) == 8 and all(hasattr(handbook_code, n) for n in names)

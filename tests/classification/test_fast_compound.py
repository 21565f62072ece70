"""Losses of regions and pixels by their sums: equal to the formula's."""

import math
from functools import partial

import pytest
import torch

from handbook_code import (
    _fused,
    dice_cross_entropy_loss,
    dice_focal_loss,
    dice_topk_loss,
    exponential_logarithmic_loss,
    formulas_only,
    topk_cross_entropy_loss,
)
from handbook_code.classification import _fast_regions

LOSSES = {
    "Dice and cross-entropy": dice_cross_entropy_loss,
    "of squares": partial(dice_cross_entropy_loss, squared=True, smooth=1.0),
    "Dice alone": partial(dice_cross_entropy_loss, cross_weight=0.0),
    "Dice and focal": dice_focal_loss,
    "focal, γ < 1": partial(dice_focal_loss, gamma=0.5, squared=True),
    "focal, γ = 0": partial(dice_focal_loss, gamma=0.0, dice_weight=0.0),
    "Dice and top-k": partial(dice_topk_loss, k=0.3),
    "exponential": exponential_logarithmic_loss,
    "a power above 1": partial(
        exponential_logarithmic_loss, cross_gamma=1.5, dice_gamma=2.0
    ),
    "top-k": partial(topk_cross_entropy_loss, k=0.4),
}
# Of pixels that are equally hard, any may be taken: not for their slopes.
TIED = [loss for name, loss in LOSSES.items() if "top-k" not in name]
without_ties = pytest.mark.parametrize("loss", TIED)
every_loss = pytest.mark.parametrize(
    "loss", LOSSES.values(), ids=LOSSES.keys()
)


def takes(loss, *names):
    annotations = getattr(loss, "func", loss).__annotations__
    return all(name in annotations for name in names)


@pytest.fixture(autouse=True, params=[1 << 16, 50, 7])
def always(request, monkeypatch):
    """The pass, whatever the size: one block, an image each, and parts."""
    monkeypatch.setattr(_fast_regions, "LEAST", 0)
    monkeypatch.setattr(_fused, "BLOCK", request.param)


@pytest.fixture
def taken(monkeypatch):
    calls = []
    road = _fast_regions.Sums.apply
    monkeypatch.setattr(
        _fast_regions.Sums, "apply", lambda *a: calls.append(1) or road(*a)
    )
    return calls


def value_and_slope(loss, logits, target, **options):
    logits = logits.detach().requires_grad_()
    value = loss(logits, target, **options)
    pull = torch.linspace(1, 2, value.numel()).to(value).view(value.shape)
    return value.detach(), *torch.autograd.grad(value, logits, pull)


def assert_same(loss, logits, target, **options):
    actual = value_and_slope(loss, logits, target, **options)
    with formulas_only():
        expected = value_and_slope(loss, logits, target, **options)
    torch.testing.assert_close(actual, expected, equal_nan=True)
    with torch.no_grad():
        value = loss(logits, target, **options)
    torch.testing.assert_close(value, expected[0], equal_nan=True)


@pytest.fixture
def logits(generator):
    return 3 * torch.randn(3, 4, 4, 5, generator=generator).double()


@pytest.fixture
def labels(generator):
    """All of them classes, one of which is absent."""
    return torch.randint(0, 3, (3, 4, 5), generator=generator)


@pytest.fixture
def odd(labels):
    """With labels that are no class, and some that are ignored."""
    odd = labels.clone()
    odd[0, 0, 0], odd[1, 0, 0], odd[2, 0, :3] = 255, -1, -100
    return odd


@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_of_labels(loss, dtype, logits, labels, odd, taken):
    for target in (labels, odd, odd.to(torch.int16)):
        assert_same(loss, logits.to(dtype), target)
    assert len(taken) == 6


@every_loss
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_every_keyword(loss, per_image, reduction, logits, labels, odd):
    given = {"per_image": per_image, "reduction": reduction}
    for target in (labels, odd):
        assert_same(loss, logits, target, **given)
        assert_same(loss, logits, target, ignore_index=1, **given)
        assert_same(loss, logits, target.clamp(0), ignore_index=9, **given)
        if takes(loss, "per_class"):
            for option in ("per_class", "background"):
                assert_same(loss, logits, target, **{option: False}, **given)
        if takes(loss, "weight"):
            weight = torch.tensor([0.0, 0.5, 1.0, 2.0]).double()
            assert_same(loss, logits, target, weight=weight, **given)
        if takes(loss, "frequencies"):
            often = torch.tensor([5.0, 3.0, 1.0, 1.0]).double()
            assert_same(loss, logits, target, frequencies=often, **given)


@every_loss
def test_of_one_channel(loss, logits, labels):
    z = logits[:, :1]
    for mask in (labels == 0, (labels == 0).long()[:, None], labels % 2):
        assert_same(loss, z, mask)
    mask = (labels == 0).long()
    mask[0, :2] = -100
    assert_same(loss, z, mask)
    if takes(loss, "alpha"):
        assert_same(loss, z, mask, alpha=0.3)


@every_loss
def test_masks_of_classes_and_soft_ones_take_the_formula(
    loss, logits, labels, taken
):
    masks = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1)
    value, slope = value_and_slope(loss, logits, masks)
    value_and_slope(loss, logits[:, :1], (labels == 0).double())
    assert not taken
    torch.testing.assert_close(
        (value, slope), value_and_slope(loss, logits, labels)
    )
    assert taken


@every_loss
def test_what_is_ignored_may_be_nan(loss, logits, odd):
    z = logits.movedim(1, -1).clone()
    z[odd == -100] = math.nan
    z = z.movedim(-1, 1)
    assert_same(loss, z, odd)
    assert value_and_slope(loss, z, odd)[1].isfinite().all()
    assert_same(loss, z, torch.full_like(odd, -100))
    z[0, 1, 0, 0] = math.nan
    odd[0, 0, 0] = 2
    assert loss(z, odd).isnan()


@without_ties
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_sure_logits_right_and_wrong(loss, dtype, labels):
    masks = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).to(dtype)
    for size in (15.0, 40.0, 200.0, 1e4):
        for sign in (1, -1):
            assert_same(loss, sign * size * masks, labels)
    assert_same(loss, 0 * masks, labels)


@without_ties
def test_what_is_nearly_right_is_exact(loss, labels):
    """In float32, whose 1 − p would be a rounding error."""
    masks = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).float()
    if takes(loss, "smooth"):
        loss = partial(loss, smooth=1e-3)
    actual = value_and_slope(loss, 22 * masks, labels)
    with formulas_only():
        expected = value_and_slope(loss, 22 * masks.double(), labels)
    for ours, right in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours.double(), right, rtol=1e-4, atol=0)


@without_ties
def test_classes_masked_by_minus_infinity(loss, logits, labels):
    z = logits.clone()
    z[:, 3] = -math.inf  # absent
    assert_same(loss, z, labels)
    z[0, 0, 0, 0] = -math.inf  # true there or not
    for label in (0, 1):
        labels[0, 0, 0] = label
        value = loss(z, labels)
        with formulas_only():
            expected = loss(z, labels)
        torch.testing.assert_close(value, expected, equal_nan=True)
    assert_same(loss, z, labels)


@every_loss
def test_in_half_precision_and_of_other_strides(loss, logits, labels, odd):
    for dtype in (torch.float16, torch.bfloat16):
        value, slope = value_and_slope(loss, logits.to(dtype), odd)
        assert value.dtype == slope.dtype == dtype
        assert_same(loss, logits.to(dtype), labels)
    turned = logits.to(memory_format=torch.channels_last)
    assert_same(loss, turned, odd.mT.contiguous().mT)
    assert_same(loss, logits[:, :, 0, 0], labels[:, 0, 0])


@every_loss
def test_a_graph_that_is_kept_and_a_second_derivative(loss, logits, labels):
    x = logits[:2, :, :2, :2].clone().requires_grad_()
    y = labels[:2, :2, :2]
    value = loss(x, y)
    (once,) = torch.autograd.grad(value, x, retain_graph=True)
    once = once.clone()
    (twice,) = torch.autograd.grad(value, x, retain_graph=True)
    torch.testing.assert_close(twice, once)
    torch.testing.assert_close(torch.autograd.grad(value, x)[0], once)
    assert torch.autograd.gradgradcheck(lambda x: loss(x, y), x)


def test_the_arguments_are_left_as_they_are(logits, odd):
    before = logits.clone(), odd.clone()
    value_and_slope(dice_cross_entropy_loss, logits, odd)
    assert torch.equal(logits, before[0]) and torch.equal(odd, before[1])


def test_many_gradients_at_once(logits, labels):
    x = logits.requires_grad_()
    each = dice_cross_entropy_loss(x, labels, per_image=True, reduction="none")
    eye = torch.eye(3, dtype=torch.float64)
    (many,) = torch.autograd.grad(
        each, x, eye, is_grads_batched=True, retain_graph=True
    )
    for pull, slope in zip(eye, many, strict=True):
        (alone,) = torch.autograd.grad(each, x, pull, retain_graph=True)
        torch.testing.assert_close(slope, alone)


def test_other_watchers_take_the_formula(logits, labels, taken):
    loss, x = dice_cross_entropy_loss, logits.clone().requires_grad_()
    torch.func.grad(loss)(logits, labels)
    torch.vmap(loss)(logits[None], labels[None])
    torch.func.jvp(lambda z: loss(z, labels), (logits,), (logits,))
    torch.compile(loss, fullgraph=True, backend="eager")(x, labels)
    with formulas_only():
        loss(x, labels)
    assert not taken
    weight = torch.ones(4, dtype=torch.float64, requires_grad=True)
    loss(x, labels, weight=weight).backward()
    assert taken and weight.grad.abs().sum() > 0


def test_without_a_gradient_no_map_of_all_images_is_made(logits, odd):
    """One of a single image, which is written over and over."""
    _, each = _fast_regions.Sums.apply(
        logits.flatten(2), odd.flatten(1)[:, None], _how()
    )
    assert each.shape == (3, 20)


def _how():
    from handbook_code.classification._curves import surprise
    from handbook_code.classification._odds import _of_labels

    return _fast_regions.How(surprise, False, -100, _of_labels)

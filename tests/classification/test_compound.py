"""Losses of regions and pixels: by hand, forms of masks, extremes."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch.nn.functional import one_hot

from handbook_code import (
    combo_loss,
    cross_entropy_loss,
    dice_cross_entropy_loss,
    dice_focal_loss,
    dice_loss,
    dice_topk_loss,
    exponential_logarithmic_loss,
    softmax_focal_loss,
    topk_cross_entropy_loss,
)
from naive import assert_agrees_with_loop

COMPOUND = [
    combo_loss,
    exponential_logarithmic_loss,
    dice_cross_entropy_loss,
    dice_focal_loss,
    dice_topk_loss,
]
every_loss = pytest.mark.parametrize("loss", COMPOUND)
with_topk = pytest.mark.parametrize(
    "loss", [*COMPOUND, topk_cross_entropy_loss]
)


def masks_of(labels, classes):
    return one_hot(labels, classes).movedim(-1, 1)


def with_slope(loss, logits, target, **options):
    logits = logits.detach().requires_grad_()
    value = loss(logits, target, **options)
    return value, *torch.autograd.grad(value.sum(), logits)


@pytest.fixture
def scene(generator):
    """Logits of four classes, all present, and the class of each pixel."""
    logits = 2 * torch.randn(2, 4, 5, 6, generator=generator).double()
    labels = torch.randint(4, (2, 5, 6), generator=generator)
    labels[:, 0, :4] = torch.arange(4)
    return logits, labels


# By hand: p = 3/4, 1/4, 1/4 where the first two are true


HAND = torch.tensor([[[3.0, 1 / 3, 1 / 3]]]).log()
TRUE = torch.tensor([[1, 1, 0]])
LOG3, LOG4 = math.log(3), math.log(4)


@pytest.mark.parametrize(
    ("loss", "options", "expected"),
    [
        # TP 1, FP 1/4, FN 1: D = 2 / 3.25. −log p: log 4/3, log 4, log 4/3.
        (
            dice_cross_entropy_loss,
            {},
            1.25 / 3.25 + (3 * LOG4 - 2 * LOG3) / 3,
        ),
        (
            dice_cross_entropy_loss,
            {"dice_weight": 2.0, "cross_weight": 3.0, "smooth": 1.0},
            2 * 1.25 / 4.25 + 3 * LOG4 - 2 * LOG3,
        ),
        (
            dice_cross_entropy_loss,
            {"weight": torch.tensor([1.0, 2.0])},
            1.25 / 3.25 + (5 * LOG4 - 3 * LOG3) / 5,
        ),
        # (1 − p)² is 1/16 for two of them and 9/16 for one.
        (
            dice_focal_loss,
            {"focal_weight": 48.0},
            1.25 / 3.25 + 2 * (LOG4 - LOG3) + 9 * LOG4,
        ),
        (
            dice_focal_loss,
            {"gamma": 0.0, "alpha": 0.25},
            1.25 / 3.25 + (LOG4 - LOG3 + LOG4 + 3 * (LOG4 - LOG3)) / 12,
        ),
        (dice_topk_loss, {"k": 0.1}, 1.25 / 3.25 + LOG4),
        (dice_topk_loss, {"k": 0.5}, 1.25 / 3.25 + LOG4 - LOG3 / 2),
        (
            combo_loss,
            {"alpha": 0.25, "beta": 0.75},
            0.25 * (3 * (2 * LOG4 - LOG3) + LOG4 - LOG3) / 12
            - 0.75 * 2 / 3.25,
        ),
        # With s = 1 the Dice index is 3 / 4.25; Σ f is 3, f is 1 and 2.
        (
            exponential_logarithmic_loss,
            {"cross_weight": 0.0, "dice_gamma": 2.0},
            0.8 * math.log(4.25 / 3) ** 2,
        ),
        (
            exponential_logarithmic_loss,
            {"dice_weight": 0.0, "cross_gamma": 2.0},
            0.2
            / 3
            * (
                math.sqrt(1.5) * ((LOG4 - LOG3) ** 2 + LOG4**2)
                + math.sqrt(3) * (LOG4 - LOG3) ** 2
            ),
        ),
        (
            exponential_logarithmic_loss,
            {
                "dice_weight": 0.0,
                "cross_gamma": 1.0,
                "frequencies": torch.tensor([3.0, 1.0]),
            },
            0.2
            / 3
            * (2 * (2 * LOG4 - LOG3) + math.sqrt(4 / 3) * (LOG4 - LOG3)),
        ),
    ],
)
def test_one_channel_by_hand(loss, options, expected, device):
    options = {
        name: x.to(device) if isinstance(x, torch.Tensor) else x
        for name, x in options.items()
    }
    value = loss(HAND.to(device), TRUE.to(device), **options)
    torch.testing.assert_close(value, torch.tensor(expected))


def test_several_classes_are_the_sum_of_the_parts(scene, device):
    z, t = scene
    w = torch.tensor([1.0, 2.0, 0.5, 3.0]).double()
    dice, p = dice_loss(z.softmax(1), t), z.softmax(1)
    torch.testing.assert_close(
        with_slope(partial(dice_cross_entropy_loss, weight=w), z, t),
        with_slope(
            lambda z, t: (
                dice_loss(z.softmax(1), t) + cross_entropy_loss(z, t, weight=w)
            ),
            z,
            t,
        ),
    )
    torch.testing.assert_close(
        dice_focal_loss(z, t, gamma=1.5, weight=w),
        dice + softmax_focal_loss(z, t, gamma=1.5, weight=w),
    )
    torch.testing.assert_close(
        dice_topk_loss(z, t, k=0.2),
        dice + topk_cross_entropy_loss(z, t, k=0.2),
    )
    each = F.binary_cross_entropy(p, masks_of(t, 4).double())
    torch.testing.assert_close(
        combo_loss(z, t, alpha=0.3), 0.15 * each - 0.7 * (1 - dice)
    )


def explog_loop(z, t):
    """The formula of the paper, pixel by pixel; ε = 1, γ = 0.3."""
    classes, size = len(z), len(t)
    p = [[0.0] * size for _ in range(classes)]
    for i in range(size):
        top = max(z[c][i] for c in range(classes))
        odds = [math.exp(z[c][i] - top) for c in range(classes)]
        for c in range(classes):
            p[c][i] = odds[c] / sum(odds)
    dice = 0.0
    for c in range(classes):
        shared = sum(p[c][i] for i in range(size) if t[i] == c)
        areas = sum(p[c]) + t.count(c)
        dice += (-math.log((2 * shared + 1) / (areas + 1))) ** 0.3 / classes
    cross = 0.0
    for i, label in enumerate(t):
        w = (size / t.count(label)) ** 0.5
        cross += w * (-math.log(p[label][i])) ** 0.3 / size
    return 0.8 * dice + 0.2 * cross


def test_exponential_logarithmic_is_the_loop_of_the_paper(generator, device):
    logits = 2 * torch.randn(30, 3, 6, generator=generator).double()
    labels = torch.randint(3, (30, 6), generator=generator)
    labels[0] = 1  # two classes are absent
    assert_agrees_with_loop(
        torch.vmap(
            lambda z, t: exponential_logarithmic_loss(z[None], t[None])
        ),
        explog_loop,
        logits,
        labels,
    )


# Forms of masks


@with_topk
def test_indices_and_masks_are_the_same(loss, scene, device):
    z, t = scene
    expected = with_slope(loss, z, t)
    hot = masks_of(t, 4)
    for target in (hot, hot.bool(), hot.double(), hot.to(torch.uint8)):
        torch.testing.assert_close(with_slope(loss, z, target), expected)
    flat = with_slope(loss, z.flatten(2), t.flatten(1).short())
    torch.testing.assert_close(flat[0], expected[0])
    last = z.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(with_slope(loss, last, t), expected)


@with_topk
def test_one_channel_takes_any_mask(loss, mask, device):
    probs, t = mask
    z = probs.logit()
    expected = with_slope(loss, z, t)
    for form in (t[:, 0], t.bool(), t[:, 0].long()):
        torch.testing.assert_close(with_slope(loss, z, form), expected)


@with_topk
def test_one_channel_is_two_classes_without_a_background(loss, mask, device):
    """σ(z) is the softmax of 0 and z; only the foreground is a region."""
    probs, t = mask
    z = probs.logit()
    two = torch.cat([torch.zeros_like(z), z], 1)
    options = {} if loss is topk_cross_entropy_loss else {"background": False}
    torch.testing.assert_close(
        loss(two, t[:, 0].long(), **options), loss(z, t)
    )


@with_topk
def test_volumes_are_pictures_with_an_axis_more(loss, scene, device):
    z, t = scene
    deep = loss(z.unflatten(3, (3, 2)), t.unflatten(2, (3, 2)))
    torch.testing.assert_close(deep, loss(z, t))
    torch.testing.assert_close(
        loss(z[:, :, 0, 0], t[:, 0, 0]), loss(z[..., :1, :1], t[:, :1, :1])
    )


@with_topk
def test_each_image_by_itself(loss, scene, device):
    """Frequencies are those of the batch, so they are given here."""
    z, t = scene
    if loss is exponential_logarithmic_loss:
        loss = partial(loss, frequencies=torch.arange(1, 5).double())
    each = loss(z, t, per_image=True, reduction="none")
    alone = [loss(z[n : n + 1], t[n : n + 1]) for n in range(2)]
    torch.testing.assert_close(each, torch.stack(alone))
    torch.testing.assert_close(loss(z, t, per_image=True), each.mean())
    side_by_side = torch.cat(list(z), -1)[None], torch.cat(list(t), -1)[None]
    torch.testing.assert_close(loss(*side_by_side), loss(z, t))


@every_loss
def test_without_the_background_its_region_does_not_count(loss, scene, device):
    """Only the cross-entropy still knows class 0."""
    z, t = scene
    options = {"smooth": 1.0, "background": False}
    if loss is not combo_loss:
        options["dice_weight"] = 0.8
    whole = loss(z, t, **options | {"background": True})
    part = loss(z, t, **options)
    p = z.softmax(1)
    each = dice_loss(p, t, smooth=1.0, reduction="none")
    if loss is combo_loss:
        cross = F.binary_cross_entropy(
            p, masks_of(t, 4).double(), reduction="none"
        )
        change = 0.25 * (cross[:, 1:].mean() - cross.mean())
        change = change + 0.5 * (each[1:].mean() - each.mean())
    else:
        if loss is exponential_logarithmic_loss:
            each = (-torch.log1p(-each)) ** 0.3
        change = 0.8 * (each[1:].mean() - each.mean())
    torch.testing.assert_close(part - whole, change)


def test_all_classes_as_one_region(scene, device):
    z, t = scene
    for loss in (dice_cross_entropy_loss, dice_focal_loss, dice_topk_loss):
        both = [loss(z, t, per_class=p) for p in (True, False)]
        dice = [dice_loss(z.softmax(1), t, per_class=p) for p in (True, False)]
        torch.testing.assert_close(both[1] - both[0], dice[1] - dice[0])


# What is ignored


@with_topk
def test_what_is_ignored_changes_nothing(loss, scene, device):
    """Not its logits, NaN neither, and as if it had been cut out."""
    z, t = scene
    z, t = z[:, :, :1].clone(), t[:, :1].clone()
    expected = with_slope(loss, z[..., :4], t[..., :4])
    t[..., 4:] = 255
    for strange in (0.0, 50.0, math.nan, -math.inf):
        z[..., 4:] = strange
        value, slope = with_slope(loss, z, t, ignore_index=255)
        torch.testing.assert_close(value, expected[0])
        torch.testing.assert_close(slope[..., :4], expected[1])
        assert (slope[..., 4:] == 0).all()


@with_topk
def test_one_channel_may_ignore_too(loss, mask, device):
    probs, t = mask
    z, t = probs.logit(), t.long()
    expected = loss(z[..., :3], t[..., :3])
    t[..., 3:] = -100
    for form in (t, t[:, 0]):
        torch.testing.assert_close(loss(z, form), expected)


@with_topk
def test_where_all_is_ignored_nothing_is_lost(loss, scene, device):
    z, t = scene
    value, slope = with_slope(loss, z, torch.full_like(t, -100))
    assert value == 0 and (slope == 0).all()
    each = loss(z, t.where(t < 0, -100), per_image=True, reduction="none")
    assert each.tolist() == [0, 0]


# Extremes


@with_topk
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("size", [20.0, 200.0, 1e4])
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_sure_logits_are_finite_twice(loss, dtype, size, classes, device):
    """Value, slope and the slope of the slope; right and wrong ones."""
    t = torch.arange(12).view(2, 6) % max(classes, 2)
    for sign in (1, -1):
        if classes == 1:
            z = sign * size * (2.0 * t - 1)[:, None]
        else:
            z = sign * size * masks_of(t, classes)
        z = z.to(dtype).requires_grad_()
        value = loss(z, t)
        (slope,) = torch.autograd.grad(value, z, create_graph=True)
        (bend,) = torch.autograd.grad(slope.float().square().sum(), z)
        for x in (value, slope, bend):
            assert x.isfinite().all()
        if sign == 1 and size > 1000:
            best = -0.5 if loss is combo_loss else 0
            assert value == best and (slope == 0).all()
        if sign == -1 and loss is not exponential_logarithmic_loss:
            assert slope.abs().max() > 0.001


@with_topk
def test_a_class_masked_by_minus_infinity(loss, scene, device):
    z, t = scene
    z, t = z.float().clone(), t.where(t != 3, 0)
    z[:, 3] = -math.inf
    value, slope = with_slope(loss, z, t)
    assert value.isfinite() and slope.isfinite().all()
    cut, rest = with_slope(loss, z[:, :3], t)
    if loss is topk_cross_entropy_loss:
        torch.testing.assert_close((value, slope[:, :3]), (cut, rest))


def test_a_large_half_precision_picture_does_not_overflow(device):
    z = torch.full((1, 1, 512, 512), 6.0, dtype=torch.float16)
    for loss in (*COMPOUND, topk_cross_entropy_loss):
        assert loss(z, torch.ones_like(z)).isfinite()


def test_a_root_of_a_small_surprise_is_exact_in_float32(device):
    """At a logit of 40, −log p is e^−40, far below float32's 1 − p."""
    z = torch.full((1, 1, 4), 40.0)
    options = {"dice_weight": 0.0, "cross_weight": 1.0, "cross_gamma": 0.3}
    value, slope = with_slope(
        exponential_logarithmic_loss, z, torch.ones(1, 4), **options
    )
    torch.testing.assert_close(value, torch.tensor(math.exp(-12)))
    torch.testing.assert_close(
        slope, torch.full((1, 1, 4), -0.3 * math.exp(-12) / 4)
    )
    options = {"dice_weight": 1.0, "cross_weight": 0.0, "smooth": 1e-6}
    value = exponential_logarithmic_loss(z, torch.ones(1, 4), **options)
    torch.testing.assert_close(
        value, torch.tensor((math.exp(-40) / 2) ** 0.3), rtol=1e-5, atol=0
    )


def test_absent_classes_have_a_weight_of_no_use(scene, device):
    """Of frequency 0: no pixel has it, and infinity times 0 is NaN."""
    z, t = scene
    t = t.where(t < 3, 0)
    value, slope = with_slope(exponential_logarithmic_loss, z, t)
    assert value.isfinite() and slope.isfinite().all()

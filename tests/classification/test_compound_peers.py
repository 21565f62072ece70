"""Losses of regions and pixels against other people's."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch.nn.functional import one_hot

from handbook_code import (
    combo_loss,
    dice_cross_entropy_loss,
    dice_focal_loss,
    dice_topk_loss,
    exponential_logarithmic_loss,
)
from peers import peer

EXACT = {"smooth_nr": 0.0, "smooth_dr": 0.0}
W = torch.tensor([0.2, 1.0, 3.0, 2.0]).double()


def masks_of(labels, classes=4):
    return one_hot(labels, classes).movedim(-1, 1).double()


def with_slope(loss, first, *rest):
    first = first.detach().requires_grad_()
    value = loss(first, *rest)
    return value, *torch.autograd.grad(value.sum(), first)


def assert_same(ours, theirs, *arguments):
    """In value and in gradient."""
    torch.testing.assert_close(
        with_slope(ours, *arguments), with_slope(theirs, *arguments)
    )


@pytest.fixture
def scene(segmented):
    """Logits, of no softmax that is 1, and masks."""
    probs, labels = segmented
    return 2 * probs.log() + 1, masks_of(labels)


@pytest.fixture
def foreground(mask):
    probs, target = mask
    return probs.logit(), target


# MONAI: ratios for each image and class, unless batch=True


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_monai_s_dice_cross_entropy(batch, background, scene):
    monai = peer("monai.losses")
    theirs = monai.DiceCELoss(
        softmax=True,
        batch=batch,
        include_background=background,
        lambda_dice=0.3,
        lambda_ce=0.6,
        **EXACT,
    )
    ours = partial(
        dice_cross_entropy_loss,
        per_image=not batch,
        background=background,
        dice_weight=0.3,
        cross_weight=0.6,
    )
    assert_same(ours, theirs, *scene)


def test_monai_s_with_indices_and_smoothing(segmented, scene):
    monai = peer("monai.losses")
    labels = segmented[1]
    theirs = monai.DiceCELoss(
        softmax=True, to_onehot_y=True, smooth_nr=0.5, smooth_dr=0.5
    )
    ours = partial(dice_cross_entropy_loss, smooth=0.5, per_image=True)
    torch.testing.assert_close(
        with_slope(ours, scene[0], labels),
        with_slope(theirs, scene[0], labels[:, None]),
    )


def test_monai_s_squared(scene):
    monai = peer("monai.losses")
    theirs = monai.DiceCELoss(softmax=True, squared_pred=True, **EXACT)
    ours = partial(dice_cross_entropy_loss, squared=True, per_image=True)
    assert_same(ours, theirs, *scene)


def test_monai_s_of_one_channel(foreground):
    monai = peer("monai.losses")
    theirs = monai.DiceCELoss(sigmoid=True, **EXACT)
    ours = partial(dice_cross_entropy_loss, per_image=True)
    assert_same(ours, theirs, *foreground)


def test_monai_s_weight_is_of_both_parts(segmented, scene):
    """It multiplies each Dice loss too, without division by the sum; and of
    a soft target, as torch, the cross-entropy divides by no weight."""
    monai = peer("monai.losses")
    z, labels = scene[0], segmented[1]
    theirs = monai.DiceCELoss(
        softmax=True, to_onehot_y=True, batch=True, weight=W, **EXACT
    )(z, labels[:, None])
    cross = dice_cross_entropy_loss(z, labels, dice_weight=0.0, weight=W)
    dice = monai.DiceLoss(softmax=True, batch=True, weight=W, **EXACT)
    torch.testing.assert_close(theirs, dice(z, masks_of(labels)) + cross)
    assert not torch.allclose(
        theirs, dice_cross_entropy_loss(z, labels, weight=W)
    )
    soft = monai.DiceCELoss(
        softmax=True, batch=True, weight=W, lambda_dice=0.0
    )(z, masks_of(labels))
    ratio = W[labels].mean()
    torch.testing.assert_close(soft, cross * ratio)


def test_monai_s_weight_of_one_channel_divides_by_pixels(foreground):
    """As torch's pos_weight; ours divides by the weights."""
    monai = peer("monai.losses")
    z, t = foreground
    three = torch.tensor([3.0]).double()
    theirs = monai.DiceCELoss(sigmoid=True, weight=three, lambda_dice=0.0)
    ours = partial(
        dice_cross_entropy_loss,
        dice_weight=0.0,
        weight=torch.tensor([1.0, 3.0]).double(),
    )
    torch.testing.assert_close(theirs(z, t), ours(z, t) * (1 + 2 * t).mean())


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_monai_s_dice_focal_of_one_channel(gamma, foreground):
    monai = peer("monai.losses")
    theirs = monai.DiceFocalLoss(
        sigmoid=True, gamma=gamma, lambda_focal=0.5, **EXACT
    )
    ours = partial(
        dice_focal_loss, gamma=gamma, focal_weight=0.5, per_image=True
    )
    assert_same(ours, theirs, *foreground)


def test_monai_s_dice_focal_has_a_sigmoid_for_each_class(scene):
    """Also with softmax=True, which only its Dice hears."""
    monai = peer("monai.losses")
    theirs = monai.DiceFocalLoss(softmax=True, **EXACT)
    ours = partial(dice_focal_loss, per_image=True)
    focal = monai.FocalLoss()  # of sigmoids
    value = theirs(*scene)
    dice = partial(ours, focal_weight=0.0)(*scene)
    torch.testing.assert_close(value, dice + focal(*scene))
    assert not torch.allclose(value, ours(*scene))
    right = monai.FocalLoss(use_softmax=True)(*scene)  # a mean over classes
    torch.testing.assert_close(ours(*scene), dice + 4 * right)


def test_monai_overflows_where_ours_does_not():
    monai = peer("monai.losses")
    z = torch.full((1, 1, 512, 512), 9.0, dtype=torch.float16)
    t = torch.ones_like(z)
    assert not monai.DiceCELoss(sigmoid=True)(z, t).isfinite()
    assert dice_cross_entropy_loss(z, t) < 0.01


def test_monai_s_dice_cross_entropy_does_not_ignore(segmented, scene):
    """torch's own cross-entropy in it does, but the Dice part cannot."""
    monai = peer("monai.losses")
    z, labels = scene[0], segmented[1].clone()
    labels[:, 0] = -100
    theirs = monai.DiceCELoss(softmax=True, to_onehot_y=True)
    with pytest.raises(RuntimeError):
        theirs(z, labels[:, None])
    cut = dice_cross_entropy_loss(z[:, :, 1:], labels[:, 1:])
    torch.testing.assert_close(dice_cross_entropy_loss(z, labels), cut)


# segmentation_models_pytorch has the parts


def test_smp_s_dice_and_torch_s_cross_entropy(segmented, scene):
    smp = peer("segmentation_models_pytorch.losses")
    z, labels = scene[0], segmented[1]
    dice = smp.DiceLoss("multiclass")
    assert_same(
        dice_cross_entropy_loss,
        lambda z, t: dice(z, t) + F.cross_entropy(z, t),
        z,
        labels,
    )


def test_smp_s_dice_and_focal_of_one_mask(foreground):
    smp = peer("segmentation_models_pytorch.losses")
    dice, focal = smp.DiceLoss("binary"), smp.FocalLoss("binary", alpha=0.25)
    assert_same(
        partial(dice_focal_loss, alpha=0.25),
        lambda z, t: dice(z, t) + focal(z, t),
        *foreground,
    )


# torch: every loss, from its own functions


def test_torch_s_parts(segmented, scene):
    z, t = scene[0], segmented[1]
    hot = masks_of(t)

    def dice(z, s=0.0):
        p = z.softmax(1)
        shared = 2 * (p * hot).sum((0, 2, 3)) + s
        return shared / ((p + hot).sum((0, 2, 3)) + s)

    def topk(z, t):
        each = F.cross_entropy(z, t, reduction="none").flatten()
        return 1 - dice(z).mean() + each.topk(12).values.mean()

    def combo(z, t):
        p = z.softmax(1)
        cross = -0.3 * hot * p.log() - 0.7 * (1 - hot) * (1 - p).log()
        return 0.6 * cross.mean() - 0.4 * dice(z).mean()

    def explog(z, t):
        w = (hot.sum() / hot.sum((0, 2, 3))).sqrt()
        each = F.cross_entropy(z, t, reduction="none") ** 0.3
        region = (-dice(z, 1.0).log()) ** 0.3
        return 0.8 * region.mean() + 0.2 * (w[t] * each).mean()

    assert t.numel() == 60
    assert_same(partial(dice_topk_loss, k=0.2), topk, z, t)
    assert_same(partial(combo_loss, alpha=0.6, beta=0.3), combo, z, t)
    assert_same(exponential_logarithmic_loss, explog, z, t)

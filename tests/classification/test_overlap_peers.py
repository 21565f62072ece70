"""Losses of two regions against other people's, and where these differ."""

from functools import partial

import pytest
import torch
from torch.nn.functional import one_hot

from handbook_code import (
    dice_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    jaccard_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    tversky_loss,
)
from peers import peer

EXACT = {"smooth_nr": 0.0, "smooth_dr": 0.0}


def masks_of(labels, classes=4):
    return one_hot(labels, classes).movedim(-1, 1).double()


def assert_same(ours, theirs, *arguments):
    """In value and in gradient."""
    first, *rest = arguments
    results = []
    for loss in (ours, theirs):
        first = first.detach().requires_grad_()
        value = loss(first, *rest)
        results.append((value, *torch.autograd.grad(value.sum(), first)))
    torch.testing.assert_close(*results)


def logits_of(probs):
    """Whose softmax they are."""
    return probs.log()


# MONAI: ratios for each image and class, unless batch=True


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("ours", "name", "options"),
    [
        (dice_loss, "DiceLoss", {}),
        (partial(dice_loss, squared=True), "DiceLoss", {"squared_pred": True}),
        (jaccard_loss, "DiceLoss", {"jaccard": True}),
        (
            partial(tversky_loss, alpha=0.3, beta=0.7),
            "TverskyLoss",
            {"alpha": 0.3, "beta": 0.7},
        ),
        (generalized_dice_loss, "GeneralizedDiceLoss", {}),
    ],
)
def test_monai(ours, name, options, batch, segmented):
    monai = peer("monai.losses")
    probs, labels = segmented
    theirs = getattr(monai, name)(batch=batch, **EXACT, **options)
    ours = partial(ours, per_image=not batch)
    assert_same(ours, theirs, probs, masks_of(labels))


def test_monai_with_smoothing(segmented):
    """Ours adds the same number of pixels above and below the line."""
    monai = peer("monai.losses")
    probs, labels = segmented
    for ours, name in ((dice_loss, "DiceLoss"), (tversky_loss, "TverskyLoss")):
        theirs = getattr(monai, name)(smooth_nr=0.5, smooth_dr=0.5)
        ours = partial(ours, smooth=0.5, per_image=True)
        assert_same(ours, theirs, probs, masks_of(labels))


def test_monai_s_jaccard_is_smoothed_half_as_much(segmented):
    """Its line reads 2 TP + s over 2 (TP + FP + FN) + s."""
    monai = peer("monai.losses")
    probs, labels = segmented
    theirs = monai.DiceLoss(jaccard=True, smooth_nr=1.0, smooth_dr=1.0)
    ours = partial(jaccard_loss, smooth=0.5, per_image=True)
    assert_same(ours, theirs, probs, masks_of(labels))


def test_monai_weighs_an_absent_class_as_the_rarest(segmented):
    monai = peer("monai.losses")
    probs, labels = segmented
    labels = labels.where(labels < 3, 0)
    theirs = monai.GeneralizedDiceLoss(batch=True, **EXACT)
    assert_same(generalized_dice_loss, theirs, probs, masks_of(labels))


def test_monai_overflows_where_ours_does_not():
    monai = peer("monai.losses")
    ones = torch.ones(1, 1, 512, 512, dtype=torch.float16)
    assert not monai.DiceLoss()(ones, ones).isfinite()
    assert dice_loss(ones, ones) == 0


def test_monai_s_dice_of_an_empty_mask_is_a_cliff():
    """Its smoothing of 1e-5 leaves as little slope as none."""
    monai = peer("monai.losses")
    empty = torch.zeros(1, 1, 4)
    assert monai.DiceLoss()(empty, empty) == 0
    assert monai.DiceLoss()(empty + 0.01, empty) > 0.999
    assert dice_loss(empty + 0.01, empty) == 1


def test_monai_s_generalized_dice_of_an_empty_mask_is_never_punished():
    """Ours is 1: the mask is empty and the prediction is not."""
    monai = peer("monai.losses")
    probs, empty = torch.full((1, 1, 4), 0.5), torch.zeros(1, 1, 4)
    assert monai.GeneralizedDiceLoss(batch=True)(probs, empty) == 0
    assert generalized_dice_loss(probs, empty) == 1


# segmentation_models_pytorch: of the batch; of classes that are present


@pytest.mark.parametrize(
    ("ours", "name", "options"),
    [
        (dice_loss, "DiceLoss", {}),
        (jaccard_loss, "JaccardLoss", {}),
        (partial(jaccard_loss, smooth=0.5), "JaccardLoss", {"smooth": 0.5}),
        (partial(tversky_loss, smooth=0.5), "TverskyLoss", {"smooth": 0.5}),
        (
            partial(tversky_loss, alpha=0.3, beta=0.7),
            "TverskyLoss",
            {"alpha": 0.3, "beta": 0.7},
        ),
        # Twice the smoothing: it adds s to TP, not to 2 TP.
        (partial(dice_loss, smooth=1.0), "DiceLoss", {"smooth": 0.5}),
    ],
)
def test_smp(ours, name, options, segmented):
    smp = peer("segmentation_models_pytorch.losses")
    probs, labels = segmented
    theirs = getattr(smp, name)("multiclass", **options)
    assert_same(
        lambda z, y: ours(z.softmax(1), y), theirs, logits_of(probs), labels
    )


def test_smp_never_punishes_a_false_alarm_of_an_absent_class():
    smp = peer("segmentation_models_pytorch.losses")
    theirs = smp.DiceLoss("binary", from_logits=False)
    probs = torch.full((1, 1, 4), 0.5, requires_grad=True)
    value = theirs(probs, torch.zeros(1, 1, 4))
    assert value == 0 and not torch.autograd.grad(value, probs)[0].any()
    assert dice_loss(probs, torch.zeros(1, 1, 4)) == 1


def test_smp_of_one_mask(mask):
    smp = peer("segmentation_models_pytorch.losses")
    probs, target = mask
    theirs = smp.DiceLoss("binary", from_logits=False)
    assert_same(dice_loss, theirs, probs, target)


def test_smp_s_focal_tversky_is_the_power_of_the_mean(segmented, mask):
    """With one class the same as ours, whose γ is the reciprocal."""
    smp = peer("segmentation_models_pytorch.losses")
    theirs = partial(smp.TverskyLoss, from_logits=False, gamma=0.75)
    assert_same(focal_tversky_loss, theirs("binary"), *mask)
    probs, labels = segmented
    value = theirs("multiclass")(probs, labels)
    torch.testing.assert_close(value, tversky_loss(probs, labels) ** 0.75)
    assert not torch.allclose(value, focal_tversky_loss(probs, labels))


def test_smp_loses_the_gradient_of_a_perfect_match():
    smp = peer("segmentation_models_pytorch.losses")
    theirs = smp.TverskyLoss("binary", from_logits=False, gamma=0.75)
    ones = torch.ones(1, 1, 4)
    for loss, finite in ((theirs, False), (focal_tversky_loss, True)):
        probs = ones.clone().requires_grad_()
        loss(probs, ones).backward()
        assert probs.grad.isfinite().all() == finite


def test_smp_counts_soft_masks_by_distance():
    """Σ|p − t| halves the areas' sum; ours is the product, so not 0 here."""
    smp = peer("segmentation_models_pytorch.losses")
    half = torch.full((1, 1, 4), 0.5)
    assert smp.DiceLoss("binary", from_logits=False)(half, half) == 0
    assert dice_loss(half, half) == 0.5
    assert dice_loss(half, half, squared=True) == 0


@pytest.mark.parametrize("per_image", [False, True])
def test_smp_s_lovasz(per_image, segmented, mask):
    """In float32, the only dtype it takes."""
    smp = peer("segmentation_models_pytorch.losses")
    theirs = partial(smp.LovaszLoss, per_image=per_image)
    probs, labels = segmented
    assert_same(
        lambda z, y: lovasz_softmax_loss(z.softmax(1), y, per_image=per_image),
        theirs("multiclass"),
        logits_of(probs).float(),
        labels,
    )
    logits, target = (m.float() for m in mask)
    hinge = partial(lovasz_hinge_loss, per_image=per_image)
    assert_same(hinge, theirs("binary"), 3 * logits - 1, target)
    with pytest.raises(RuntimeError, match="same dtype"):
        theirs("binary")(logits.double(), target)


# kornia: of logits; for each image


def test_kornia_s_dice_is_of_all_classes_together(segmented):
    kornia = peer("kornia.losses")
    probs, labels = segmented
    for average, per_class in (("micro", False), ("macro", True)):
        ours = partial(dice_loss, per_image=True, per_class=per_class)
        assert_same(
            lambda z, y, ours=ours: ours(z.softmax(1), y),
            partial(kornia.dice_loss, average=average, eps=0.0),
            logits_of(probs),
            labels,
        )


def test_kornia_s_tversky(segmented):
    kornia = peer("kornia.losses")
    probs, labels = segmented
    ours = partial(tversky_loss, alpha=0.3, beta=0.7, per_image=True)
    assert_same(
        lambda z, y: ours(z.softmax(1), y),
        partial(kornia.tversky_loss, alpha=0.3, beta=0.7, eps=0.0),
        logits_of(probs),
        labels,
    )


def test_kornia_leaves_out_absent_classes_where_ours_is_punished(segmented):
    kornia = peer("kornia.losses")
    probs, labels = segmented
    labels = labels.where(labels < 3, 0)
    each = tversky_loss(probs, labels, per_image=True, reduction="none")
    assert (each[:, 3] == 1).all()
    theirs = kornia.tversky_loss(logits_of(probs), labels, 0.5, 0.5, eps=0.0)
    torch.testing.assert_close(theirs, each[:, :3].mean())


def test_kornia_s_lovasz(segmented, mask):
    """Its softmax form counts absent classes; here all are present."""
    kornia = peer("kornia.losses")
    probs, labels = segmented
    assert_same(
        lambda z, y: lovasz_softmax_loss(z.softmax(1), y, per_image=True),
        kornia.lovasz_softmax_loss,
        logits_of(probs),
        labels,
    )
    logits, target = mask
    hinge = partial(lovasz_hinge_loss, per_image=True)
    assert_same(hinge, kornia.lovasz_hinge_loss, 3 * logits - 1, target[:, 0])

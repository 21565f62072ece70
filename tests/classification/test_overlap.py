"""Losses of two regions: values by hand, forms of masks, messages."""

import pytest
import torch
from torch.nn.functional import one_hot

from handbook_code import (
    asymmetric_similarity_loss,
    dice_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    jaccard_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    penalty_dice_loss,
    sensitivity_specificity_loss,
    tversky_loss,
)
from naive import assert_agrees_with_loop

RATIOS = [
    dice_loss,
    jaccard_loss,
    tversky_loss,
    focal_tversky_loss,
    sensitivity_specificity_loss,
    asymmetric_similarity_loss,
]
OVER_CLASSES = [generalized_dice_loss, penalty_dice_loss, lovasz_softmax_loss]

every_ratio = pytest.mark.parametrize("loss", RATIOS)
every_loss = pytest.mark.parametrize("loss", RATIOS + OVER_CLASSES)


def masks_of(labels, classes):
    return one_hot(labels, classes).movedim(-1, 1)


def with_slope(loss, probs, target, **options):
    probs = probs.detach().requires_grad_()
    value = loss(probs, target, **options)
    return value, *torch.autograd.grad(value.sum(), probs)


# By hand


@pytest.mark.parametrize(
    ("loss", "options", "expected"),
    [
        # TP 1.5, FP 1, FN 0.5: areas 2.5 and 2, union 3.
        (dice_loss, {}, 1.5 / 4.5),
        (dice_loss, {"smooth": 1.0}, 1.5 / 5.5),
        # Errors 1/2 and 1, squared 5/4; areas 1 + 1/4 + 1 and 2.
        (dice_loss, {"squared": True}, 1.25 / 4.25),
        (jaccard_loss, {}, 1.5 / 3),
        (jaccard_loss, {"smooth": 2.0}, 1.5 / 5),
        (tversky_loss, {"alpha": 0.3, "beta": 0.7}, 0.65 / 2.15),
        (tversky_loss, {"alpha": 0.7, "beta": 0.3}, 0.85 / 2.35),
        (tversky_loss, {"smooth": 1.0}, 0.75 / 3.25),
        (focal_tversky_loss, {"gamma": 2.0}, (1 / 3) ** 0.5),
        (focal_tversky_loss, {"gamma": 0.5}, (1 / 3) ** 2),
        # 1/4 over two positives, 1 over two negatives.
        (sensitivity_specificity_loss, {"w": 0.2}, 0.2 / 8 + 0.8 / 2),
        (
            sensitivity_specificity_loss,
            {"w": 0.2, "smooth": 2.0},
            0.2 / 16 + 0.8 / 4,
        ),
        # β² = 4: the wrong count 4 · 1/2 + 1, the right ones 5 · 3/2.
        (asymmetric_similarity_loss, {"beta": 2.0}, 3 / 10.5),
        (asymmetric_similarity_loss, {"beta": 2.0, "smooth": 1.5}, 3 / 12),
        # One class: its weight 1/4 cancels.
        (generalized_dice_loss, {}, 1.5 / 4.5),
        (penalty_dice_loss, {"k": 3.0}, 4 / 3 / 2),
        # Errors 1, 1/2, 0, 0; the union grows to 3 by the first, a negative.
        (lovasz_softmax_loss, {}, 1 / 3 + 0.5 / 3),
    ],
)
def test_one_class_by_hand(loss, options, expected, device):
    probs = torch.tensor([[[1.0, 0.5, 1.0, 0.0]]])
    target = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    value = loss(probs, target, **options)
    torch.testing.assert_close(value, torch.tensor(expected))


def test_two_classes_by_hand(device):
    """One pixel of class 1, called class 0: areas 4 and 3, and 0 and 1."""
    labels = torch.tensor([[0, 0, 0, 1]])
    probs = torch.tensor([[[1.0, 1, 1, 1], [0, 0, 0, 0]]])
    each = dice_loss(probs, labels, reduction="none")
    torch.testing.assert_close(each, torch.tensor([1 / 7, 1]))
    # Wrong are 1/9 of one pixel and 1 of one; the areas are 7/9 and 1.
    value = generalized_dice_loss(probs, labels)
    torch.testing.assert_close(value, torch.tensor(10 / 16))
    together = dice_loss(probs, labels, per_class=False)
    torch.testing.assert_close(together, torch.tensor(2 / 8))


def test_an_image_apart_and_a_batch_together(device):
    """A small object missed, a large one found: 1 of 2, or 1 of 19."""
    target = torch.zeros(2, 9)
    target[0, 0], target[1] = 1, 1
    probs = target.clone()
    probs[0, 0] = 0
    probs = probs[:, None]
    each = dice_loss(probs, target, per_image=True, reduction="none")
    assert each.tolist() == [[1], [0]]
    torch.testing.assert_close(dice_loss(probs, target), torch.tensor(1 / 19))


def test_lovasz_hinge_by_hand(device):
    """Errors 3/2 of a positive, 1/2 of a negative; 1/2, then 2/3 wrong."""
    logits = torch.tensor([[3.0, -0.5, -0.5]])
    value = lovasz_hinge_loss(logits, torch.tensor([[1, 1, 0]]))
    torch.testing.assert_close(value, torch.tensor(1.5 / 2 + 0.5 / 6))


# What no reduction leaves


@every_ratio
def test_a_value_for_each_image_and_class(loss, segmented, device):
    probs, labels = segmented
    for per_image in (False, True):
        for per_class in (False, True):
            each = loss(
                probs,
                labels,
                per_image=per_image,
                per_class=per_class,
                reduction="none",
            )
            assert each.shape == (2,) * per_image + (4,) * per_class
    # The last is each image and class by itself.
    torch.testing.assert_close(
        each[1, 2],
        loss(probs[1:, 2:3], masks_of(labels, 4)[1:, 2:3]),
    )


@pytest.mark.parametrize("loss", OVER_CLASSES)
def test_a_value_for_each_image(loss, segmented, device):
    probs, labels = segmented
    each = loss(probs, labels, per_image=True, reduction="none")
    alone = [loss(probs[n : n + 1], labels[n : n + 1]) for n in range(2)]
    torch.testing.assert_close(each, torch.stack(alone))
    assert loss(probs, labels, reduction="none").shape == ()


def test_a_batch_is_one_image(segmented, mask, device):
    """Unless images are kept apart, it does not matter whose pixel it is."""
    probs, labels = segmented
    side_by_side = torch.cat(list(probs), -1)[None]
    for loss in RATIOS + OVER_CLASSES:
        torch.testing.assert_close(
            loss(side_by_side, torch.cat(list(labels), -1)[None]),
            loss(probs, labels),
        )
    logits, target = mask
    for per_image in (False, True):
        torch.testing.assert_close(
            lovasz_hinge_loss(
                logits.movedim(0, -1)[None] if not per_image else logits,
                target.movedim(0, -1)[None] if not per_image else target,
                per_image=True,
            ),
            lovasz_hinge_loss(logits, target, per_image=per_image),
        )


# Forms of masks


@every_loss
def test_indices_and_masks_are_the_same(loss, segmented, device):
    probs, labels = segmented
    expected = with_slope(loss, probs, labels)
    hot = masks_of(labels, 4)
    for target in (hot, hot.bool(), hot.double(), hot.to(torch.uint8)):
        torch.testing.assert_close(with_slope(loss, probs, target), expected)
    flat = with_slope(loss, probs.flatten(2), labels.flatten(1).short())
    torch.testing.assert_close(flat[0], expected[0])


@every_loss
def test_one_channel_takes_any_mask(loss, mask, device):
    probs, target = mask
    expected = with_slope(loss, probs, target)
    for form in (target[:, 0], target.bool(), target[:, 0].long()):
        torch.testing.assert_close(with_slope(loss, probs, form), expected)


def test_the_hinge_takes_any_mask(mask, device):
    logits, target = mask
    expected = with_slope(lovasz_hinge_loss, logits, target)
    for form in (target[:, 0], target.bool(), target[:, 0].long()):
        torch.testing.assert_close(
            with_slope(lovasz_hinge_loss, logits, form), expected
        )
    value = lovasz_hinge_loss(logits[:, 0], target[:, 0])
    torch.testing.assert_close(value, expected[0])


@every_loss
def test_one_pixel_an_image(loss, generator, device):
    """(N, K) with (N,): classification is the smallest segmentation."""
    probs = torch.rand(6, 3, generator=generator)
    labels = torch.arange(6) % 3
    torch.testing.assert_close(
        loss(probs, labels), loss(probs[..., None], labels[:, None])
    )


def test_an_index_that_is_no_class_is_background_to_all(segmented, device):
    probs, labels = segmented
    labels[0, 0, 5] = 255
    hot = masks_of(labels.where(labels < 4, 0), 4)
    hot[0, :, 0, 5] = 0
    torch.testing.assert_close(dice_loss(probs, labels), dice_loss(probs, hot))


@every_loss
def test_channels_last_is_the_same(loss, segmented, device):
    probs, labels = segmented
    probs = probs.detach().to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        with_slope(loss, probs, labels),
        with_slope(loss, probs.contiguous(), labels),
    )


@every_loss
def test_half_precision_takes_the_dtype_of_the_probabilities(
    loss, segmented, device
):
    probs, labels = segmented
    assert loss(probs.half(), labels).dtype == torch.float16
    assert loss(probs.half(), masks_of(labels, 4)).dtype == torch.float16
    assert (
        loss(probs.half(), masks_of(labels, 4).float()).dtype == torch.float32
    )


# Lovász: the paper's loop


def jaccard_of_sets(errors, labels):
    """Algorithm 1: the Jaccard loss of each prefix, of what errs most."""
    order = sorted(range(len(errors)), key=lambda m: -errors[m])
    truth = {m for m, y in enumerate(labels) if y == 1}
    loss, before, wrong = 0.0, 0.0, set()
    for m in order:
        wrong = wrong | {m}
        after = len(wrong) / len(truth | wrong)
        loss += errors[m] * (after - before)
        before = after
    return loss


def hinge_loop(logits, labels):
    errors = [
        max(0.0, 1 - (2 * y - 1) * z)
        for z, y in zip(logits, labels, strict=True)
    ]
    return jaccard_of_sets(errors, labels)


def softmax_loop(probs, labels):
    """Of one image: the mean over the classes that occur."""
    present = sorted(set(labels))
    losses = [
        jaccard_of_sets(
            [abs((y == c) - p) for p, y in zip(probs[c], labels, strict=True)],
            [y == c for y in labels],
        )
        for c in present
    ]
    return sum(losses) / len(present)


def test_lovasz_hinge_is_the_loop_of_the_paper(generator, device):
    logits = 2 * torch.randn(40, 7, generator=generator).double()
    target = torch.randint(2, (40, 7), generator=generator)
    target[0], target[1] = 0, 1
    assert_agrees_with_loop(
        lambda z, y: lovasz_hinge_loss(z, y, per_image=True, reduction="none"),
        hinge_loop,
        logits,
        target,
    )


def test_lovasz_softmax_is_the_loop_of_the_paper(generator, device):
    probs = torch.randn(40, 3, 6, generator=generator).double().softmax(1)
    labels = torch.randint(3, (40, 6), generator=generator)
    labels[0], labels[1] = 0, 2
    assert_agrees_with_loop(
        lambda p, y: lovasz_softmax_loss(
            p, y, per_image=True, reduction="none"
        ),
        softmax_loop,
        probs,
        labels,
    )

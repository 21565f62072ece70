"""What is true of overlap: identities, empty masks, extremes."""

from functools import partial

import pytest
import torch

from handbook_code import (
    asymmetric_similarity_loss,
    dice_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    jaccard_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    mse_loss,
    penalty_dice_loss,
    sensitivity_specificity_loss,
    tversky_loss,
)

LOSSES = [
    dice_loss,
    partial(dice_loss, squared=True),
    jaccard_loss,
    partial(tversky_loss, alpha=0.3, beta=0.7),
    focal_tversky_loss,
    sensitivity_specificity_loss,
    generalized_dice_loss,
    asymmetric_similarity_loss,
    penalty_dice_loss,
    lovasz_softmax_loss,
]
RATIOS = [
    loss
    for loss in LOSSES
    if loss not in (sensitivity_specificity_loss, lovasz_softmax_loss)
]

every_loss = pytest.mark.parametrize("loss", LOSSES)
every_ratio = pytest.mark.parametrize("loss", RATIOS)


def with_slope(loss, probs, target, **options):
    probs = probs.detach().requires_grad_()
    value = loss(probs, target, **options)
    return value.detach(), *torch.autograd.grad(value.sum(), probs)


# Identities


def assert_same(ours, theirs, probs, target):
    torch.testing.assert_close(
        with_slope(ours, probs, target), with_slope(theirs, probs, target)
    )


def test_dice_and_jaccard_are_tversky_losses(segmented):
    assert_same(dice_loss, tversky_loss, *segmented)
    one = partial(tversky_loss, alpha=1.0, beta=1.0)
    assert_same(jaccard_loss, one, *segmented)


def test_the_smoothing_of_dice_counts_half_in_the_tversky_loss(segmented):
    assert_same(
        partial(dice_loss, smooth=1.0),
        partial(tversky_loss, smooth=0.5),
        *segmented,
    )


def test_jaccard_is_a_function_of_dice(segmented):
    """J = D / (2 − D), of the indices; of losses, 2 l / (1 + l)."""
    dice = dice_loss(*segmented, reduction="none")
    jaccard = jaccard_loss(*segmented, reduction="none")
    torch.testing.assert_close(jaccard, 2 * dice / (1 + dice))


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5])
def test_asymmetric_similarity_is_a_tversky_loss(beta, segmented):
    share = beta**2 / (1 + beta**2)
    assert_same(
        partial(asymmetric_similarity_loss, beta=beta),
        partial(tversky_loss, alpha=1 - share, beta=share),
        *segmented,
    )


def test_focal_tversky_is_tversky_at_gamma_one(segmented):
    one = partial(focal_tversky_loss, gamma=1.0)
    assert_same(one, tversky_loss, *segmented)


def test_penalty_counts_the_wrong_more_often(mask):
    """Of one class: FP and FN of Dice, 1 + k times."""
    assert_same(
        partial(penalty_dice_loss, k=2.5),
        partial(tversky_loss, alpha=1.75, beta=1.75),
        *mask,
    )
    assert_same(
        partial(penalty_dice_loss, k=0.0), generalized_dice_loss, *mask
    )


def test_sensitivity_specificity_at_the_share_of_positives_is_mse(mask):
    probs, target = mask
    share = target.mean().item()
    assert_same(
        partial(sensitivity_specificity_loss, w=share),
        mse_loss,
        probs,
        target,
    )


def test_sensitivity_specificity_of_hard_masks_is_what_its_name_says(mask):
    probs, target = mask[0].round(), mask[1]
    sensitivity = (probs * target).sum() / target.sum()
    specificity = ((1 - probs) * (1 - target)).sum() / (1 - target).sum()
    torch.testing.assert_close(
        sensitivity_specificity_loss(probs, target, w=0.3),
        0.3 * (1 - sensitivity) + 0.7 * (1 - specificity),
    )


def test_generalized_dice_does_not_depend_on_the_size_of_a_class(device):
    """Each class misses half; one has four pixels, the other forty."""
    labels = torch.tensor([[0] * 4 + [1] * 40])
    hot = torch.stack([labels == 0, labels == 1], 1).double()
    torch.testing.assert_close(
        generalized_dice_loss(hot / 2, labels), torch.tensor(1 / 3).double()
    )


@pytest.mark.parametrize("factor", [2, 5])
@every_loss
def test_a_larger_picture_of_the_same_costs_the_same(loss, factor, segmented):
    probs, labels = segmented
    torch.testing.assert_close(
        loss(
            probs.repeat_interleave(factor, -1),
            labels.repeat_interleave(factor, -1),
        ),
        loss(probs, labels),
    )


def test_lovasz_of_hard_predictions_is_jaccard(mask, device):
    probs, target = mask[0].round(), mask[1]
    expected = jaccard_loss(probs, target)
    torch.testing.assert_close(lovasz_softmax_loss(probs, target), expected)
    logits = 2 * probs - 1  # a wrong pixel: twice an error of one
    torch.testing.assert_close(lovasz_hinge_loss(logits, target), 2 * expected)


# Empty, full, absent


EMPTY, FULL = torch.zeros(1, 1, 4), torch.ones(1, 1, 4)


@every_ratio
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_truth_table(loss, smooth):
    """Both empty or both full cost nothing; one of them costs the most."""
    for predicted, true in ((EMPTY, EMPTY), (FULL, FULL)):
        value, slope = with_slope(loss, predicted, true, smooth=smooth)
        assert value == 0 and slope.isfinite().all()
    for predicted, true in ((EMPTY, FULL), (FULL, EMPTY)):
        value, slope = with_slope(loss, predicted, true, smooth=smooth)
        assert value == 1 if smooth == 0 else 0 < value < 1
        assert slope.isfinite().all()


@every_ratio
def test_a_false_alarm_is_punished_and_smoothing_gives_it_a_slope(loss):
    """Without it the share of what is wrong stays all, however little."""
    alarm = torch.full((1, 1, 4), 0.01)
    value, slope = with_slope(loss, alarm, EMPTY)
    assert value == 1
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    value, slope = with_slope(loss, alarm, EMPTY, smooth=1.0)
    assert 0 < value < 0.2 and (slope > 0).all()


def test_lovasz_and_sensitivity_specificity_of_an_empty_mask():
    alarm = torch.full((1, 1, 4), 0.5)
    value, slope = with_slope(lovasz_softmax_loss, alarm, EMPTY)
    assert value == 0 and (slope == 0).all()
    value, slope = with_slope(sensitivity_specificity_loss, alarm, EMPTY)
    torch.testing.assert_close(value, torch.tensor(0.95 / 4))
    assert (slope > 0).all()
    value, slope = with_slope(lovasz_hinge_loss, alarm, EMPTY)
    assert value == 1.5 and slope.flatten().tolist() == [1, 0, 0, 0]


@every_loss
def test_a_class_that_nobody_names_costs_nothing(loss):
    probs = torch.rand(1, 2, 6)
    probs = torch.cat(
        [probs / probs.sum(1, keepdim=True), EMPTY.new_zeros(1, 1, 6)], 1
    )
    value, slope = with_slope(loss, probs, torch.tensor([[0, 1, 0, 1, 1, 0]]))
    assert 0 < value < 1 and slope.isfinite().all()


@every_loss
def test_an_empty_image_in_a_batch_is_punished_by_the_batch(loss, device):
    """Summed over the batch, a false alarm in it has a slope."""
    target = torch.zeros(2, 1, 4)
    target[0, 0, :2] = 1
    _, slope = with_slope(loss, torch.full_like(target, 0.8), target)
    assert (slope[1] > 0).any()


def test_lovasz_hears_no_false_alarm_below_the_worst_miss(device):
    """With all of the class wrong before it, nothing is left to lose."""
    probs, target = torch.full((1, 1, 4), 0.3), torch.tensor([[1, 1, 0, 0]])
    _, slope = with_slope(lovasz_softmax_loss, probs, target)
    torch.testing.assert_close(
        slope.flatten(), torch.tensor([-0.5, -0.5, 0, 0])
    )


# Extremes


@every_loss
def test_half_precision_counts_beyond_its_range(loss, device):
    """512² ones are four times more than float16 can hold."""
    target = torch.zeros(1, 1, 512, 512, dtype=torch.float16)
    target[..., :384] = 1
    probs = torch.full_like(target, 0.75)
    value, slope = with_slope(loss, probs, target)
    expected = loss(probs.double(), target.double())
    assert slope.isfinite().all()
    torch.testing.assert_close(value.double(), expected, rtol=1e-3, atol=0)


@every_loss
@pytest.mark.parametrize("tiny", [1e-45, 1e-38, 1e-20])
def test_next_to_nothing_has_a_finite_gradient(loss, tiny, device):
    probs = torch.full((1, 1, 4), tiny)
    for target in (EMPTY, FULL, torch.tensor([[[1.0, 0, 0, 0]]])):
        value, slope = with_slope(loss, probs, target.to(device))
        assert value.isfinite() and slope.isfinite().all()


@pytest.mark.parametrize("tiny", [1e-45, 1e-38, 1e-20, 1e-6])
@every_loss
def test_a_mask_of_next_to_nothing_has_a_finite_gradient(loss, tiny, device):
    probs = torch.full((1, 2, 4), 0.5)
    target = torch.full_like(probs, tiny)
    target[:, 1] = 1
    value, slope = with_slope(loss, probs, target)
    assert value.isfinite() and slope.isfinite().all()


@pytest.mark.parametrize("gamma", [0.5, 4 / 3, 4.0])
def test_focal_tversky_is_finite_at_a_match_and_near_it(gamma, device):
    loss = partial(focal_tversky_loss, gamma=gamma)
    for wrong in (0.0, 1e-7, 1e-3):
        probs = FULL - wrong
        _, slope = with_slope(loss, probs, FULL)
        assert slope.isfinite().all()
        assert (slope == 0).all() == (wrong == 0)


@every_ratio
def test_a_match_but_for_rounding_costs_next_to_nothing(loss, device):
    """1 − 2 TP / areas would be rounding error itself."""
    target = torch.ones(1, 1, 64, 64)
    probs = (target - 1e-6).requires_grad_()
    value = loss(probs, target)
    wide = loss(probs.double(), target.double())
    torch.testing.assert_close(value.double(), wide, rtol=1e-4, atol=0)


def test_lovasz_adds_up_where_differences_would_not(generator):
    """Of a million pixels, in float32, against float64."""
    p = torch.rand(1, 1, 1_000_000, generator=generator)
    t = (p < torch.rand(p.shape, generator=generator)).float()
    torch.testing.assert_close(
        with_slope(lovasz_softmax_loss, p, t)[1].double(),
        with_slope(lovasz_softmax_loss, p.double(), t.double())[1],
        rtol=1e-6,
        atol=0,
    )


def test_ties_have_one_gradient(device):
    """Of equal errors the earlier pixel is taken to be the worse."""
    probs, target = torch.full((1, 1, 4), 0.5), torch.tensor([[1, 0, 1, 0]])
    _, slope = with_slope(lovasz_softmax_loss, probs, target)
    # 1/2, 2/3, 1, 1 of the pixels named are wrong after each.
    expected = torch.tensor([[[-1 / 2, 1 / 6, -1 / 3, 0]]])
    torch.testing.assert_close(slope, expected)


@pytest.mark.parametrize("gamma", [4 / 3, 0.5])
def test_focal_tversky_does_not_hide_nan(gamma, device):
    probs = torch.full((1, 1, 4), float("nan"), device=device)
    target = torch.ones(1, 4, device=device)
    assert focal_tversky_loss(probs, target, gamma=gamma).isnan()


def test_focal_tversky_of_probabilities_a_rounding_above_one(device):
    probs = torch.full((1, 1, 4), 1 + 1e-7, device=device)
    target = torch.ones(1, 4, device=device)
    probs.requires_grad_()
    loss = focal_tversky_loss(probs, target)
    loss.backward()
    assert loss == 0 and probs.grad.isfinite().all()

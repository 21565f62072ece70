"""Public code of segmentation losses, as read, and ours beside it.

Read were the repositories of the Segmentation Loss Odyssey (d562441, of
2023-11-01) and of the combo loss (070e7e4). What each line computes is
written down again in a few of ours; nothing is copied.
"""

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    boundary_loss,
    combo_loss,
    cross_entropy_loss,
    dice_loss,
    distance_map_cross_entropy_loss,
    distance_penalty,
    exponential_logarithmic_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    hausdorff_loss,
    penalty_dice_loss,
    softmax_focal_loss,
    topk_cross_entropy_loss,
    tversky_loss,
)
from implementations import slope
from peers import peer


@pytest.fixture
def scene(generator):
    """Logits of two classes, labels with an object, one-hot labels."""
    z = torch.randn(1, 2, 6, 7, generator=generator).double()
    y = torch.zeros(1, 6, 7, dtype=torch.long)
    y[:, 2:4, 2:6] = 1
    return z, y, F.one_hot(y, 2).movedim(-1, 1).double()


# Distributions


def test_the_map_of_distances_weighs_the_cross_entropy(scene):
    """Odyssey's DisPenalizedCE multiplies by the map, and returns the mean
    of what was there before."""
    z, y, t = scene
    each = cross_entropy_loss(z, y, reduction="none")
    theirs = each.mean()
    ours = distance_map_cross_entropy_loss(z, y)
    assert abs(ours - theirs) > 0.1
    phi = distance_penalty(t)[:, 1]
    torch.testing.assert_close(ours, ((1 + phi) * each).mean())


def test_a_map_of_an_empty_mask_is_finite():
    """Odyssey's divides by the largest distance, 0 where a side is empty."""
    inside = torch.zeros(4, 4)
    assert ((inside.max() - inside) / inside.max()).isnan().all()
    z, y = torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4).long()
    theirs = cross_entropy_loss(z, y)
    assert distance_map_cross_entropy_loss(z, y) == theirs


def test_weights_of_classes_are_used(scene):
    """Odyssey's WeightedCrossEntropyLossV2 makes them, and leaves them."""
    z, y, _ = scene
    weight = torch.tensor([0.2, 0.8]).double()
    unweighted = F.cross_entropy(z, y)
    ours = cross_entropy_loss(z, y, weight=weight)
    assert abs(ours - unweighted) > 0.01
    torch.testing.assert_close(ours, F.cross_entropy(z, y, weight=weight))


def test_the_hardest_tenth_of_a_few_pixels_is_one_pixel():
    """Odyssey's TopKLoss, and nnU-Net's, rounds down: of nine none is left,
    whose mean is not a number."""
    z = torch.randn(1, 2, 9)
    y = torch.zeros(1, 9).long()
    each = cross_entropy_loss(z, y, reduction="none").flatten()
    theirs = each.topk(int(9 * 10 / 100)).values.mean()
    assert theirs.isnan()
    assert topk_cross_entropy_loss(z, y, k=0.1) == each.max()


def test_a_logarithm_needs_no_smoothing(scene):
    """Odyssey's FocalLoss adds 1e-5 to a probability that may be 1, and to
    one that may be 0, where the loss then ends at 11.5."""
    wrong = torch.tensor([[1000.0, 0.0]])
    theirs = -(wrong.softmax(1)[0, 1] + 1e-5).log()
    assert theirs.item() == pytest.approx(11.5, abs=0.1)
    assert softmax_focal_loss(wrong, torch.tensor([1])) == 1000


# Regions


def test_a_loss_of_regions_begins_at_zero(scene):
    """Odyssey's Dice, IoU, Tversky and asymmetric losses return minus the
    index, so that nothing wrong is −1."""
    _, y, t = scene
    for loss in (dice_loss, tversky_loss, generalized_dice_loss):
        assert loss(t, y) == 0
    theirs = -(2 * (t * t).sum() + 1) / (2 * t.sum() + 1)
    assert theirs == -1


def test_a_perfect_generalised_dice_is_not_below_its_bound(scene):
    """Odyssey's GDiceLoss doubles the smoothing above the line, too."""
    _, y, t = scene
    w = 1 / t.sum((0, 2, 3)) ** 2
    top, bottom = (w * t.sum((0, 2, 3))).sum(), 2 * w @ t.sum((0, 2, 3))
    theirs = -2 * (top + 1e-2) / (bottom + 1e-2)
    assert theirs < -1.01
    assert generalized_dice_loss(t, y, smooth=1e-2) == 0


def test_an_absent_class_does_not_silence_the_others():
    """Odyssey's GDiceLoss gives it 1 / (0 + 1e-10)²: the pull of a wrong
    pixel in the others falls by as many digits."""
    y = torch.tensor([[0, 0, 1, 1]])
    t = F.one_hot(y, 3).movedim(-1, 1).double()
    p = torch.full_like(t, 1 / 3)

    def theirs(p):
        w = 1 / (t.sum(-1) + 1e-10) ** 2
        top, bottom = (w * (p * t).sum(-1)).sum(), (w * (p + t).sum(-1)).sum()
        return 1 - 2 * (top + 1e-5) / (bottom + 1e-5)

    first = p[:, :1]

    def of_first(loss):
        return slope(lambda x: loss(torch.cat([x, p[:, 1:]], 1)), first)

    assert of_first(theirs) < 1e-15
    assert of_first(lambda p: generalized_dice_loss(p, y)) > 0.01


def test_the_penalty_is_on_what_is_wrong(scene):
    """Odyssey's PenaltyGDiceLoss puts minus the index where the index was:
    the pull then fades towards a match and does not grow."""
    _, y, t = scene
    k, near, far = 2.5, torch.tensor(0.05), torch.tensor(0.95)

    def theirs(wrong):
        return -(1 - wrong) / (1 + k * (1 + (1 - wrong)))

    def ours(wrong):
        return (1 + k) * wrong / (1 + k * wrong)

    assert slope(theirs, near) < slope(theirs, far)
    assert slope(ours, near) > slope(ours, far)
    p = t.lerp(1 - t, torch.tensor(0.3).double())
    wrong = generalized_dice_loss(p, y)
    torch.testing.assert_close(penalty_dice_loss(p, y, k=k), ours(wrong))


def test_the_root_is_taken_of_each_class(scene):
    """Odyssey's FocalTversky_loss: of the mean of classes."""
    z, y, _ = scene
    p = z.softmax(1)
    each = tversky_loss(p, y, alpha=0.3, beta=0.7, reduction="none")
    ours = focal_tversky_loss(p, y, alpha=0.3, beta=0.7)
    torch.testing.assert_close(ours, (each**0.75).mean())
    assert ours < each.mean() ** 0.75


# Boundaries


def test_a_loss_of_hausdorff_s_kind_has_a_gradient(scene):
    """Odyssey's HausdorffERLoss erodes in numpy: none reaches the network
    (its issue 21). kornia's, by the reporter, does have one, as ours."""
    z, y, t = scene
    p = z.softmax(1)
    eroded = torch.from_numpy((p - t).square().numpy()).mean()
    assert not eroded.requires_grad
    assert slope(lambda p: hausdorff_loss(p, y), p) > 0
    kornia = peer("kornia.losses").HausdorffERLoss(k=2)
    assert slope(lambda p: kornia(p.float(), y[:, None]), p) > 0


def test_a_false_alarm_on_an_empty_mask_is_felt_at_the_boundary():
    """MONAI's BoundaryLoss has no map there, and costs nothing."""
    monai = peer("monai.losses")
    p, empty = torch.full((1, 1, 6, 6), 0.5), torch.zeros(1, 1, 6, 6)
    assert monai.BoundaryLoss()(p, empty) == 0
    assert boundary_loss(p, empty) > 0
    assert slope(lambda p: boundary_loss(p, empty), p) > 0


# Sums


def test_combo_weighs_false_alarms_by_one_minus_beta(scene):
    """In the authors' file a parenthesis closes late: β (1 − β)."""
    _, y, _ = scene
    u = torch.linspace(-2, 2, y.numel()).view(1, 1, 6, 7).double()
    p, t, beta = u.sigmoid(), y[:, None].double(), 0.7
    inside, outside = t * p.log(), (1 - t) * (1 - p).log()
    ours = combo_loss(u, t, alpha=1.0, beta=beta)
    paper = -(beta * inside + (1 - beta) * outside).mean()
    file = -(beta * (inside + (1 - beta) * outside)).mean()
    torch.testing.assert_close(ours, paper)
    assert abs(file - paper) > 0.01


def test_both_parts_of_exp_log_are_powers(scene):
    """Odyssey's ExpLog_loss has a power of the Dice part alone."""
    z, y, _ = scene
    z = 3 * z
    options = {"dice_weight": 0.0, "cross_weight": 1.0}
    f = torch.ones(2).double()
    ours = exponential_logarithmic_loss(z, y, frequencies=f, **options)
    each = cross_entropy_loss(z, y, reduction="none")
    root = 2**0.5  # √(Σ f / f)
    torch.testing.assert_close(ours, root * (each**0.3).mean())
    assert abs(ours - root * each.mean()) > 0.1

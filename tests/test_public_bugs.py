"""What public code was found to do, and ours not: a sentence for each.

Here stand those that no topic's own tests state; the field ``test`` of
book/records/implementations.toml names the place of every one. A peer that
is not installed is skipped by name; code that cannot be installed beside
torch was read, and its formula is written down again in a few lines.
"""

import math
import warnings

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    GHM,
    ciou_loss,
    cross_entropy_loss,
    dice_loss,
    eiou_loss,
    focal_loss,
    gaussian_nll_loss,
    generalized_dice_loss,
    ghm_loss,
    hinge_loss,
    kl_divergence_loss,
    log_cosh_loss,
    ms_ssim_loss,
    mse_loss,
    siou_loss,
    softmax_focal_loss,
    ssim_loss,
    triplet_loss,
)
from implementations import slope
from peers import peer


def box(*numbers):
    return torch.tensor([numbers], dtype=torch.float32)


# torch


def test_a_batch_of_ignored_labels_costs_nothing():
    """torch: the mean of nothing is 0 / 0, on purpose (pytorch#70348)."""
    z, y = torch.randn(2, 3), torch.full((2,), -100)
    assert F.cross_entropy(z, y).isnan()
    assert cross_entropy_loss(z, y) == 0
    assert slope(lambda z: cross_entropy_loss(z, y), z) == 0


def test_a_logit_of_500_costs_500():
    """torch: of a probability the logarithm ends at −100, as documented."""
    z, no = torch.tensor([500.0]), torch.zeros(1)
    assert F.binary_cross_entropy(z.sigmoid(), no) == 100
    assert focal_loss(z, no, alpha=None, gamma=0.0) == 500


def test_a_column_is_not_compared_with_a_row():
    """torch: warns, and compares all with all."""
    x = torch.arange(4.0)
    with pytest.warns(UserWarning, match="target size"):
        assert F.mse_loss(x[:, None], x) > 0
    with pytest.raises(ValueError, match=r"^target: .* \(4, 1\), got \(4,\)"):
        mse_loss(x[:, None], x)


def test_one_channel_is_no_classification():
    """torch: its softmax is 1, and the loss 0 for all logits."""
    z, y = torch.tensor([[-9.0], [9.0]]), torch.tensor([0, 0])
    assert F.cross_entropy(z, y) == 0
    with pytest.raises(ValueError, match=r"^logits: .* \(2, 1\)"):
        cross_entropy_loss(z, y)


def test_triplets_are_of_squared_distances():
    """torch: of distances, which here is ``squared=False``."""
    a, p, n = torch.tensor([[[0.0, 0]], [[2, 0]], [[3, 0]]])
    theirs = F.triplet_margin_loss(a, p, n, margin=6.0)
    assert theirs.item() == pytest.approx(6 + 2 - 3, abs=1e-4)
    assert triplet_loss(a, p, n, margin=6.0) == 6 + 4 - 9
    ours = triplet_loss(a, p, n, margin=6.0, squared=False)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_divergence_is_summed_over_outcomes():
    """torch: its default mean divides by their number as well, and warns."""
    q, p = torch.rand(2, 5, 7).softmax(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = F.kl_div(q.log(), p)
    ours = kl_divergence_loss(q.log(), p)
    torch.testing.assert_close(ours, 7 * theirs)
    batch = F.kl_div(q.log(), p, reduction="batchmean")
    torch.testing.assert_close(ours, batch)


def test_a_likelihood_has_its_constant():
    """torch: only with ``full=True``, and of a variance."""
    mean, log_variance, y = torch.randn(3, 9)
    ours = gaussian_nll_loss(mean, log_variance, y)
    theirs = F.gaussian_nll_loss(mean, y, log_variance.exp())
    torch.testing.assert_close(ours - theirs, torch.tensor(0.91893853))
    full = F.gaussian_nll_loss(mean, y, log_variance.exp(), full=True)
    torch.testing.assert_close(ours, full)


# torchvision, torchmetrics, pytorch_msssim, segmentation_models_pytorch


def test_an_epsilon_is_not_accepted_and_then_ignored():
    """torchvision: of CIoU's only the weight of the aspect ratio hears."""
    ops = peer("torchvision.ops")
    a, b = box(0, 0, 2, 2), box(1, 0, 3, 2)  # of one aspect ratio
    for theirs, heard in (
        (ops.distance_box_iou_loss, True),
        (ops.complete_box_iou_loss, False),
    ):
        assert (theirs(a, b, eps=1.0) != theirs(a, b)) == heard
    with pytest.raises(TypeError, match="eps"):
        ciou_loss(a, b, eps=1.0)


def test_log_cosh_of_a_large_residual_is_finite():
    theirs = peer("torchmetrics.functional.regression").log_cosh_error
    x, y = torch.tensor([100.0]), torch.zeros(1)
    assert theirs(x, y).isinf()
    assert log_cosh_loss(x, y).item() == pytest.approx(100 - math.log(2))


def test_scores_of_a_hinge_are_taken_as_they_are():
    """torchmetrics: a sigmoid of all if one of them is outside [0, 1]."""
    module = peer("torchmetrics.functional.classification")
    score, y = torch.tensor([2.0, -0.5, 1.5]), torch.tensor([1, 1, 0])
    sign = 2.0 * y - 1
    assert hinge_loss(score, sign).item() == pytest.approx((1.5 + 2.5) / 3)
    theirs = module.binary_hinge_loss(score, y)
    torch.testing.assert_close(theirs, hinge_loss(score.sigmoid(), sign))
    inside = score.clamp(0, 1)
    torch.testing.assert_close(
        module.binary_hinge_loss(inside, y), hinge_loss(inside, sign)
    )


def test_an_image_and_its_negative_have_a_multiscale_similarity(generator):
    """torchmetrics: not unless asked to normalise."""
    module = peer("torchmetrics.functional.image")
    x = torch.rand(1, 1, 176, 176, generator=generator)
    measure = module.multiscale_structural_similarity_index_measure
    assert measure(x, 1 - x, data_range=1.0, normalize=None).isnan()
    assert ms_ssim_loss(x, 1 - x, data_range=1.0).isfinite()


def test_unrelated_images_are_not_alike(generator):
    """pytorch_msssim: in [0, 1] nearly, by its default range of 255."""
    x, y = torch.rand(2, 1, 1, 32, 32, generator=generator)
    assert peer("pytorch_msssim").ssim(x, y) > 0.99
    assert ssim_loss(x, y, data_range=1.0) > 0.9
    with pytest.raises(TypeError, match="data_range"):
        ssim_loss(x, y)


def test_certainty_that_is_right_costs_nothing():
    """smp: of probabilities a logarithm, and then a sigmoid for each class."""
    losses = peer("segmentation_models_pytorch.losses")
    sure, y = torch.tensor([[1.0, 0, 0]])[..., None], torch.tensor([[0]])
    theirs = losses.FocalLoss("multiclass", from_logits=False)(sure, y)
    each = focal_loss(
        sure.clamp(1e-7, 1 - 1e-7).log(), sure, alpha=None, reduction="none"
    )
    torch.testing.assert_close(theirs, each.mean())
    assert theirs > 0.05 and softmax_focal_loss(100 * sure, y) == 0


# As read: mmdet, optax, hubutui/DiceLoss-PyTorch


def test_equal_boxes_have_a_ciou():
    """mmdet: the ε is lost in the union of 100, and α is 0 / (1 − 1 + 0)."""
    area = torch.tensor(100.0)
    iou, v = area / (area + 1e-7), torch.tensor(0.0)
    assert iou == 1 and (v / (1 - iou + v)).isnan()
    same = box(0, 0, 10, 10)
    assert ciou_loss(same, same) == 0
    assert slope(lambda x: ciou_loss(x, same), same).isfinite()


def test_distant_boxes_have_a_siou():
    """mmdet: by default Δ is Σ 1 − exp(+γρ), which grows without bound
    below zero, and is cut where the loss is 0 and has no slope."""
    target = box(0, 0, 1, 1)

    def theirs(distance, sign):
        rho = (distance / (1 + distance)) ** 2
        cost = 1 - math.exp(sign * 2 * rho)
        return 1 - min(max(-0.5 * cost, -1), 1)

    for distance in (4, 6, 9):
        far = box(distance, 0, distance + 1, 1)
        assert theirs(distance, 1) == 0
        ours = siou_loss(far, target).item()
        assert ours == pytest.approx(theirs(distance, -1)) and ours > 1
        assert slope(lambda x: siou_loss(x, target), far) > 0
    assert theirs(3, 1) < theirs(2, 1) < theirs(1, 1) < 1, "apart is cheaper"


def test_boxes_that_are_points_have_a_siou():
    """mmdet: the shape cost divides by the larger width, here 0 / 0."""
    point, target = box(1, 1, 1, 1), box(0, 0, 2, 2)
    width = point[:, 2] - point[:, 0]
    assert ((width - width).abs() / torch.max(width, width)).isnan()
    for first, second in ((point, target), (point, point), (target, point)):
        assert siou_loss(first, second).isfinite()
        assert slope(lambda x, y=second: siou_loss(x, y), first).isfinite()


def test_eiou_is_the_efficient_one():
    """mmdet: the extended one, here a smooth L1 of 1 − IoU with knee 0.1."""
    a, b = box(0, 0, 2, 2), box(1, 0, 3, 2)
    iou = 2 / 6
    extended = (1 - iou) - 0.05
    efficient = 1 - iou + 1**2 / (3**2 + 2**2)  # equal width and height
    assert eiou_loss(a, b).item() == pytest.approx(efficient)
    assert abs(efficient - extended) > 0.1


def test_ghm_counts_empty_bins():
    """mmdet: on purpose it does not (GHM_Detection#13): ×10 at ten bins."""
    z, y = torch.tensor([2.0, -2.0]), torch.tensor([1.0, 0.0])
    each = F.softplus(torch.tensor(-2.0))
    filled = 1
    theirs = (each / 2 + each / 2) / filled
    torch.testing.assert_close(10 * ghm_loss(z, y, bins=10), theirs)


def test_the_first_step_of_ghm_is_not_ten_times_as_large():
    """mmdet: the moving counts begin at zero, and weights at 1 / (1 − m)."""
    z, y = torch.randn(200), torch.randint(2, (200,)).float()
    counts = torch.tensor([20.0])
    begun = 0.9 * 0 + (1 - 0.9) * counts
    assert (counts / begun).item() == pytest.approx(10)
    moving = GHM(bins=10, momentum=0.9)
    torch.testing.assert_close(moving(z, y), ghm_loss(z, y, bins=10))


def test_generalised_dice_is_one_ratio_of_weighted_sums():
    """optax: a weighted mean of the ratios of classes."""
    p = torch.tensor([[[0.9, 0.8, 0.7, 0.4], [0.1, 0.2, 0.3, 0.6]]])
    y = torch.tensor([[0, 0, 0, 1]])
    t = F.one_hot(y, 2).movedim(-1, 1).float()
    w = 1 / t.sum((0, 2)) ** 2
    both, sizes = (p * t).sum((0, 2)), (p + t).sum((0, 2))
    sudre = 1 - 2 * (w * both).sum() / (w * sizes).sum()
    optax = (w / w.sum() * (1 - 2 * both / sizes)).sum()
    torch.testing.assert_close(generalized_dice_loss(p, y), sudre)
    assert abs(sudre - optax) > 0.03


def test_a_perfect_match_costs_nothing():
    """hubutui/DiceLoss-PyTorch: nearly a half, for want of a 2."""
    ones = torch.ones(1, 1, 100)
    theirs = 1 - ((ones * ones).sum() + 1) / ((ones**2 + ones**2).sum() + 1)
    assert theirs.item() == pytest.approx(0.4975, abs=1e-4)
    for options in ({}, {"squared": True, "smooth": 1.0}):
        assert dice_loss(ones, ones, **options) == 0

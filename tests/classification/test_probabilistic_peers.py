"""Losses of a probability: other people's, alike and not alike."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from handbook_code import (
    class_weights,
    cross_entropy_loss,
    focal_loss,
    poly1_loss,
    softmax_focal_loss,
)
from peers import peer

REDUCTIONS = ["none", "mean", "sum"]
SINGLE = {"rtol": 1e-5, "atol": 1e-5}  # they compute in float32
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
every_gamma = pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.7])
every_alpha = pytest.mark.parametrize("alpha", [None, 0.25, 0.9])


@pytest.fixture
def classes():
    """Logits of five classes on a 2 × 3 grid, indices, some of them −100."""
    dice = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(7, 5, 2, 3, generator=dice, dtype=torch.float64)
    t = torch.randint(5, (7, 2, 3), generator=dice)
    w = torch.rand(5, generator=dice, dtype=torch.float64) + 0.1
    return z, t, w


@pytest.fixture
def binary():
    dice = torch.Generator().manual_seed(0)
    z = 4 * torch.randn(60, 3, generator=dice, dtype=torch.float64)
    return z, torch.randint(2, z.shape, generator=dice).double()


def assert_alike(ours, theirs, z, **tolerance):
    """In value, and in gradient along a random direction of the output."""
    z = z.detach().clone().requires_grad_()
    results = []
    for loss in (ours, theirs):
        value = loss(z)
        dice = torch.Generator().manual_seed(1)
        out = torch.rand(value.shape, generator=dice, dtype=value.dtype)
        (slope,) = torch.autograd.grad(value, z, out)
        results.append((value, slope))
    torch.testing.assert_close(*results, **tolerance)


# torch


@every_reduction
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_indices_is_torch_s(
    reduction, smoothing, weighted, classes
):
    z, t, w = classes
    t = t.where(torch.arange(t.numel()).view_as(t) % 3 > 0, -1)
    options = {
        "weight": w if weighted else None,
        "label_smoothing": smoothing,
        "ignore_index": -1,
        "reduction": reduction,
    }
    assert_alike(
        lambda z: cross_entropy_loss(z, t, **options),
        lambda z: F.cross_entropy(z, t, **options),
        z,
    )


@every_reduction
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_probabilities_is_torch_s(
    reduction, smoothing, weighted, classes
):
    """The mean divides by the number of rows, weighted or not."""
    z, _, w = classes
    q = z.roll(1, dims=0).softmax(dim=1)
    options = {
        "weight": w if weighted else None,
        "label_smoothing": smoothing,
        "reduction": reduction,
    }
    assert_alike(
        lambda z: cross_entropy_loss(z, q, **options),
        lambda z: F.cross_entropy(z, q, **options),
        z,
    )


def test_torch_has_nan_where_nothing_counts_and_we_have_zero(classes):
    z, t, _ = classes
    nothing = torch.full_like(t, -100)
    assert F.cross_entropy(z, nothing).isnan()
    z.requires_grad_()
    loss = cross_entropy_loss(z, nothing)
    (slope,) = torch.autograd.grad(loss, z)
    assert loss == 0 and (slope == 0).all()


def test_torch_has_nan_for_a_masked_class_in_a_distribution():
    """0 log 0: the same target as an index is finite in both."""
    z = torch.tensor([[1.0, 0.0, -math.inf]])
    one_hot = torch.tensor([[1.0, 0.0, 0.0]])
    assert F.cross_entropy(z, one_hot).isnan()
    ours = cross_entropy_loss(z, one_hot)
    torch.testing.assert_close(ours, F.cross_entropy(z, torch.tensor([0])))


@every_gamma
def test_focal_without_focus_is_torch_s_binary_cross_entropy(gamma, binary):
    z, y = binary
    if gamma:
        assert focal_loss(z, y, alpha=None, gamma=gamma) < focal_loss(
            z, y, alpha=None, gamma=0
        )
    else:
        assert_alike(
            lambda z: focal_loss(z, y, alpha=None, gamma=0.0),
            lambda z: F.binary_cross_entropy_with_logits(z, y),
            z,
        )


# scikit-learn


def test_cross_entropy_is_scikit_learn_s_log_loss(classes):
    z, t, w = classes
    z, t = z[:, :, 0, 0], torch.tensor([0, 1, 2, 3, 4, 0, 1])
    expected = log_loss(t, z.softmax(dim=1), sample_weight=w[t])
    assert cross_entropy_loss(z, t, weight=w).item() == pytest.approx(expected)


def test_inverse_frequencies_are_scikit_learn_s_balanced_weights():
    labels = torch.tensor([0] * 90 + [1] * 7 + [2] * 3)
    theirs = compute_class_weight(
        "balanced", classes=np.arange(3), y=labels.numpy()
    )
    ours = class_weights(labels.bincount().double())
    torch.testing.assert_close(ours, torch.tensor(theirs))


# torchvision


@every_reduction
@every_gamma
@every_alpha
def test_focal_is_torchvision_s(reduction, gamma, alpha, binary):
    theirs = peer("torchvision.ops").sigmoid_focal_loss
    z, y = binary
    assert_alike(
        lambda z: focal_loss(
            z, y, alpha=alpha, gamma=gamma, reduction=reduction
        ),
        lambda z: theirs(
            z, y, -1 if alpha is None else alpha, gamma, reduction
        ),
        z,
    )


def test_torchvision_s_gradient_is_nan_of_a_sure_sample_and_gamma_below_one():
    """The slope of a power at zero times that of a p that no longer moves."""
    theirs = peer("torchvision.ops").sigmoid_focal_loss
    z = torch.tensor([200.0], requires_grad=True)
    for loss, is_nan in ((theirs, True), (focal_loss, False)):
        (slope,) = torch.autograd.grad(
            loss(z, torch.ones(1), gamma=0.5).sum(), z
        )
        assert slope.isnan().item() == is_nan
    assert slope == 0


# kornia


@every_reduction
@every_gamma
def test_focal_is_kornia_s(reduction, gamma, binary):
    theirs = peer("kornia.losses").binary_focal_loss_with_logits
    z, y = binary
    assert_alike(
        lambda z: focal_loss(
            z, y, alpha=0.25, gamma=gamma, reduction=reduction
        ),
        lambda z: theirs(z, y, 0.25, gamma, reduction),
        z,
    )


@every_gamma
def test_softmax_focal_is_kornia_s_summed_over_a_map_of_classes(
    gamma, classes
):
    """Its α weighs class 0 by 1 − α; its mean divides by classes, too."""
    theirs = peer("kornia.losses").focal_loss
    z, t, _ = classes
    assert_alike(
        lambda z: softmax_focal_loss(z, t, gamma=gamma, reduction="none"),
        lambda z: theirs(z, t, None, gamma, "none").sum(1),
        z,
    )
    weight = torch.tensor([0.75, 0.25, 0.25, 0.25, 0.25]).double()
    assert_alike(
        lambda z: softmax_focal_loss(
            z, t, gamma=gamma, weight=weight, reduction="sum"
        ),
        lambda z: theirs(z, t, 0.25, gamma, "sum"),
        z,
    )
    mean = softmax_focal_loss(z, t, gamma=gamma)
    torch.testing.assert_close(theirs(z, t, None, gamma, "mean"), mean / 5)


# monai


@pytest.mark.parametrize("reduction", ["none", "mean"])
@every_gamma
@pytest.mark.parametrize("alpha", [None, 0.3])
def test_focal_is_monai_s(reduction, gamma, alpha, binary):
    FocalLoss = peer("monai.losses").FocalLoss
    theirs = FocalLoss(gamma=gamma, alpha=alpha, reduction=reduction)
    z, y = binary
    assert_alike(
        lambda z: focal_loss(
            z, y, alpha=alpha, gamma=gamma, reduction=reduction
        ),
        lambda z: theirs(z, y).double(),
        z,
        **SINGLE,
    )


def test_monai_s_sum_is_a_mean_over_positions(classes):
    FocalLoss = peer("monai.losses").FocalLoss
    z, _, _ = classes
    y = (z > 1).double().roll(1)
    theirs = FocalLoss(reduction="sum")(z, y).double()
    ours = focal_loss(z, y, alpha=None, reduction="sum")
    torch.testing.assert_close(theirs, ours / 6, **SINGLE)


@every_gamma
def test_softmax_focal_is_monai_s_summed_over_classes(gamma, classes):
    FocalLoss = peer("monai.losses").FocalLoss
    theirs = FocalLoss(
        gamma=gamma, use_softmax=True, to_onehot_y=True, reduction="none"
    )
    z, t, _ = classes
    assert_alike(
        lambda z: softmax_focal_loss(z, t, gamma=gamma, reduction="none"),
        lambda z: theirs(z, t[:, None]).sum(1).double(),
        z,
        **SINGLE,
    )


# segmentation_models_pytorch


@every_gamma
@pytest.mark.parametrize("alpha", [None, 0.3])
def test_focal_is_smp_s(gamma, alpha, binary):
    losses = peer("segmentation_models_pytorch.losses")
    theirs = losses.FocalLoss("binary", gamma=gamma, alpha=alpha)
    z, y = binary
    assert_alike(
        lambda z: focal_loss(z, y, alpha=alpha, gamma=gamma),
        lambda z: theirs(z, y.long()),
        z,
    )


def test_smp_s_gradient_is_nan_of_a_sure_sample_and_gamma_below_one():
    losses = peer("segmentation_models_pytorch.losses")
    z = torch.tensor([200.0], requires_grad=True)
    loss = losses.FocalLoss("binary", gamma=0.5)(z, torch.ones(1))
    assert torch.autograd.grad(loss, z)[0].isnan()


def test_smp_s_multiclass_focal_is_one_of_sigmoids(classes):
    losses = peer("segmentation_models_pytorch.losses")
    z, t, _ = classes
    one_hot = F.one_hot(t, 5).movedim(-1, 1)
    sigmoids = focal_loss(z, one_hot, alpha=None, reduction="none")
    theirs = losses.FocalLoss("multiclass", gamma=2.0)(z, t)
    torch.testing.assert_close(theirs, sigmoids.mean())
    assert not torch.isclose(theirs, softmax_focal_loss(z, t))


# timm


@every_reduction
@pytest.mark.parametrize("epsilon", [-1.0, 0.0, 2.0])
def test_poly1_is_timm_s(reduction, epsilon, classes):
    """In float32, which it casts to. Its ε is 2 unless one says otherwise."""
    PolyCrossEntropy = peer("timm.loss").PolyCrossEntropy
    theirs = PolyCrossEntropy(epsilon=epsilon, reduction=reduction)
    z, t = classes[0][:, :, 0, 0].float(), classes[1][:, 0, 0]
    assert_alike(
        lambda z: poly1_loss(z, t, epsilon=epsilon, reduction=reduction),
        lambda z: theirs(z, t),
        z,
        **SINGLE,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_smoothing_is_timm_s(smoothing, classes):
    Smoothing = peer("timm.loss").LabelSmoothingCrossEntropy
    z, t = classes[0][:, :, 0, 0], classes[1][:, 0, 0]
    assert_alike(
        lambda z: cross_entropy_loss(z, t, label_smoothing=smoothing),
        lambda z: Smoothing(smoothing)(z, t),
        z,
    )


def test_soft_targets_are_timm_s(classes):
    Soft = peer("timm.loss").SoftTargetCrossEntropy
    z = classes[0][:, :, 0, 0]
    q = z.roll(1, dims=0).softmax(dim=1)
    assert_alike(lambda z: cross_entropy_loss(z, q), lambda z: Soft()(z, q), z)


def test_effective_numbers_are_timm_s_but_for_a_factor():
    """Its weights have a mean of one over classes, ours over samples."""
    weights = peer("timm.loss.class_weights").compute_class_weights
    counts = torch.tensor([5000.0, 300.0, 2.0])
    for beta in (0.9, 0.999):
        _, theirs = weights(counts, 5302, method="effective_num", beta=beta)
        ours = class_weights(counts, beta=beta)
        torch.testing.assert_close(ours / ours.mean(), theirs)

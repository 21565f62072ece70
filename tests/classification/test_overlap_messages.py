"""Losses of two regions: what is said of a wrong argument."""

import pytest
import torch

from handbook_code import (
    asymmetric_similarity_loss,
    dice_loss,
    focal_tversky_loss,
    lovasz_hinge_loss,
    penalty_dice_loss,
    sensitivity_specificity_loss,
    tversky_loss,
)
from handbook_code.catalogue import CATALOGUE

every_loss = pytest.mark.parametrize(
    "loss",
    [
        loss.function
        for loss in CATALOGUE
        if loss.chapter == "classification/overlap"
        and loss.function is not lovasz_hinge_loss
    ],
)


@every_loss
def test_the_wrong_form_is_told_both_shapes(loss, device):
    probs = torch.full((2, 3, 4, 5), 0.3)
    for target, error in (
        (torch.zeros(2, 1, 4, 5).long(), ValueError),
        (torch.zeros(2, 5, 4).long(), ValueError),
        (torch.zeros(2, 4, 5), TypeError),
        (torch.zeros(2, 4, 5).bool(), TypeError),
    ):
        got = f"{target.dtype}, {tuple(target.shape)}"
        with pytest.raises(error) as raised:
            loss(probs, target)
        assert str(raised.value) == (
            "target: expected a mask per class, (2, 3, 4, 5), or integer "
            f"classes, (2, 4, 5), got {got}"
        )
    with pytest.raises(ValueError, match=r"^target: .* the mask, \(2, 4\)"):
        loss(torch.ones(2, 1, 4), torch.ones(2, 3))
    with pytest.raises(
        ValueError, match=r"^probs: expected shape \(N, K, …\), got \(4,\)$"
    ):
        loss(torch.ones(4), torch.ones(4))


def test_the_hinge_tells_both_shapes(device):
    with pytest.raises(
        ValueError,
        match=r"^target: expected the shape of logits, \(2, 3, 4\), "
        r"got \(2, 4\)$",
    ):
        lovasz_hinge_loss(torch.zeros(2, 3, 4), torch.zeros(2, 4))
    with pytest.raises(
        ValueError,
        match=r"^target: .* \(2, 1, 4\) or, without its channel, \(2, 4\), "
        r"got \(2, 5\)$",
    ):
        lovasz_hinge_loss(torch.zeros(2, 1, 4), torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"^logits: expected shape \(N, …\)"):
        lovasz_hinge_loss(torch.zeros(4), torch.zeros(4))


@every_loss
def test_a_mask_is_a_tensor_of_real_numbers(loss, device):
    probs = torch.ones(1, 1, 2)
    with pytest.raises(
        TypeError, match=r"^target: expected a tensor, got list$"
    ):
        loss(probs, [[1.0, 0.0]])
    with pytest.raises(
        TypeError, match=r"^target: expected real numbers, got torch.complex64"
    ):
        loss(probs, probs.to(torch.complex64))


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (dice_loss, {"smooth": -1.0}, "smooth: expected .* at least 0"),
        (tversky_loss, {"alpha": -1.0}, "alpha: expected .* at least 0"),
        (tversky_loss, {"beta": float("inf")}, "beta: expected a finite"),
        (focal_tversky_loss, {"gamma": 0.0}, "gamma: expected a positive"),
        (sensitivity_specificity_loss, {"w": 1.5}, "w: expected .* 0 to 1"),
        (asymmetric_similarity_loss, {"beta": -0.1}, "beta: expected .* 0"),
        (penalty_dice_loss, {"k": -1.0}, "k: expected .* at least 0"),
    ],
)
def test_a_number_out_of_range_is_refused(loss, options, message, device):
    with pytest.raises(ValueError, match=f"^{message}"):
        loss(torch.ones(1, 1, 2), torch.ones(1, 2), **options)

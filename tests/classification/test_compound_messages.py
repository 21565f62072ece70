"""What the losses of regions and pixels refuse, and in which words."""

import pytest
import torch

from handbook_code import (
    combo_loss,
    dice_cross_entropy_loss,
    dice_focal_loss,
    dice_topk_loss,
    exponential_logarithmic_loss,
    topk_cross_entropy_loss,
)

Z, T = torch.zeros(2, 3, 4), torch.zeros(2, 4, dtype=torch.long)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (combo_loss, {"alpha": 1.5}, r"alpha: expected a number from 0 to 1"),
        (combo_loss, {"beta": -0.1}, r"beta: expected a number from 0 to 1"),
        (combo_loss, {"smooth": -1.0}, r"smooth: expected .* at least 0"),
        (
            exponential_logarithmic_loss,
            {"smooth": 0.0},
            r"smooth: expected a positive finite number, got 0.0",
        ),
        (
            exponential_logarithmic_loss,
            {"dice_gamma": 0.0},
            r"dice_gamma: expected a positive finite number",
        ),
        (
            exponential_logarithmic_loss,
            {"frequencies": torch.ones(2)},
            r"frequencies: expected one number per class, \(3,\), got \(2,\)",
        ),
        (
            dice_cross_entropy_loss,
            {"weight": torch.ones(2)},
            r"weight: expected one number per class, \(3,\), got \(2,\)",
        ),
        (
            dice_cross_entropy_loss,
            {"cross_weight": -1.0},
            r"cross_weight: expected a finite number of at least 0",
        ),
        (
            dice_focal_loss,
            {"alpha": 0.25},
            r"alpha: expected None for 3 classes, got 0.25; .* is weight",
        ),
        (dice_focal_loss, {"gamma": -1.0}, r"gamma: expected .* at least 0"),
        (dice_topk_loss, {"k": 0.0}, r"k: expected a positive finite number"),
        (
            topk_cross_entropy_loss,
            {"k": 10},
            r"k: expected a number from 0 to 1, got 10",
        ),
    ],
)
def test_wrong_numbers(loss, options, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        loss(Z, T, **options)


@pytest.mark.parametrize("loss", [dice_cross_entropy_loss, combo_loss])
def test_wrong_shapes_are_both_named(loss):
    with pytest.raises(
        ValueError, match=r"^target: expected .*\(2, 3, 4\).*got.*\(2, 5\)"
    ):
        loss(Z, torch.zeros(2, 5, dtype=torch.long))
    with pytest.raises(TypeError, match=r"^target: .*integer.*torch.float32"):
        loss(Z, torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"^logits: expected shape \(N, K"):
        loss(torch.zeros(3), T)
    with pytest.raises(TypeError, match=r"^logits: expected a floating"):
        loss(T[:, None], T)
    with pytest.raises(TypeError, match=r"^weight: expected a floating"):
        dice_cross_entropy_loss(Z, T, weight=torch.ones(3).long())


def test_the_weights_of_one_channel_are_two():
    z = torch.zeros(2, 1, 4)
    with pytest.raises(ValueError, match=r"^weight: expected .*\(2,\), got"):
        dice_cross_entropy_loss(z, T, weight=torch.ones(1))

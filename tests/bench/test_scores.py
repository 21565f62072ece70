"""The scores of the bench, by hand and against others."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_erosion, distance_transform_edt

from handbook_code.bench.scores import (
    best_level,
    border,
    brier,
    dice,
    expected_calibration_error,
    hd95,
    judge,
)
from peers import peer

EMPTY = torch.zeros(12, 16).bool()


def blobs(seed: int) -> torch.Tensor:
    noise = torch.randn(
        1, 1, 24, 30, generator=torch.Generator().manual_seed(seed)
    )
    return torch.nn.functional.avg_pool2d(noise, 5, 1, 2)[0, 0] > 0.15


def square(y: int, x: int, side: int) -> torch.Tensor:
    region = EMPTY.clone()
    region[y : y + side, x : x + side] = True
    return region


def test_dice_of_empty_and_full():
    full = ~EMPTY
    assert dice(EMPTY, EMPTY) == dice(full, full) == 1
    assert dice(EMPTY, full) == dice(full, EMPTY) == 0


def test_hd95_of_empty_regions():
    """Two agree; one alone is as far as the picture is wide."""
    assert hd95(EMPTY, EMPTY) == 0
    diagonal = math.hypot(12, 16)
    assert hd95(EMPTY, square(2, 3, 4)) == diagonal
    assert hd95(square(2, 3, 4), EMPTY) == diagonal
    corners = EMPTY.clone(), EMPTY.clone()
    corners[0][0, 0] = corners[1][-1, -1] = True
    assert hd95(*corners) < diagonal


def test_hd95_forgets_the_furthest_twentieth():
    """Of 44 border pixels one lies far off: within 5 %, and not beyond."""
    truth = torch.zeros(40, 40).bool()
    truth[5:17, 5:17] = True
    drawn = truth.clone()
    drawn[35, 35] = True
    assert hd95(drawn, truth) == 0
    drawn[30:35, 35] = True
    assert hd95(drawn, truth) > 15


def test_a_border_touches_the_outside_by_a_side():
    """A square of 4 has 12 such pixels, also at the rim of the picture."""
    assert len(border(square(3, 3, 4))) == len(border(square(0, 0, 4))) == 12
    ring = square(2, 2, 5)
    ring[4, 4] = False
    assert len(border(ring)) == 16 + 4


@pytest.mark.parametrize("seed", range(6))
def test_hd95_agrees_with_scipy_distances(seed):
    a, b = blobs(seed).numpy(), blobs(seed + 50).numpy()

    def edge(region: np.ndarray) -> np.ndarray:
        return region & ~binary_erosion(region)

    each = [
        np.percentile(distance_transform_edt(~edge(there))[edge(here)], 95)
        for here, there in ((a, b), (b, a))
    ]
    found = hd95(torch.tensor(a), torch.tensor(b))
    assert found == pytest.approx(max(each), abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_hd95_agrees_with_monai(seed):
    metrics = peer("monai").metrics
    a, b = blobs(seed), blobs(seed + 50)
    theirs = metrics.compute_hausdorff_distance(
        a[None, None], b[None, None], include_background=True, percentile=95
    )
    assert hd95(a, b) == pytest.approx(theirs.item(), abs=1e-5)


def test_hd95_is_the_same_in_parts():
    """More border pixels than are compared at once."""
    board = torch.zeros(80, 80).bool()
    board[::2] = True
    moved = board.roll(1, 0)
    assert len(border(board)) > 2000
    assert hd95(board, moved) == 1


def test_calibration_by_hand():
    """Probability .9 comes true 3 times in 4, .1 never: (.15 + .1) / 2."""
    probs = torch.tensor([0.9] * 4 + [0.1] * 4)
    truth = torch.tensor([1, 1, 1, 0, 0, 0, 0, 0]).bool()
    found = expected_calibration_error(probs, truth)
    assert found == pytest.approx(0.125, abs=1e-6)
    by_hand = (3 * 0.01 + 0.81 + 4 * 0.01) / 8
    assert brier(probs, truth) == pytest.approx(by_hand, abs=1e-6)


def test_errors_of_calibration_do_not_cancel():
    """Too sure above and below: each comes true half of the time."""
    probs = torch.tensor([0.9, 0.9, 0.1, 0.1])
    truth = torch.tensor([1, 0, 1, 0]).bool()
    found = expected_calibration_error(probs, truth)
    assert found == pytest.approx(0.4, abs=1e-6)


def test_calibration_agrees_with_torchmetrics():
    """Theirs bins the foreground's probability for a binary task."""
    peer("torchmetrics")
    from torchmetrics.functional.classification import (
        binary_calibration_error,
    )

    generator = torch.Generator().manual_seed(0)
    probs = torch.rand(4000, generator=generator)
    truth = torch.rand(4000, generator=generator) < probs**2
    theirs = binary_calibration_error(probs, truth.int(), n_bins=15)
    ours = expected_calibration_error(probs, truth)
    assert ours == pytest.approx(theirs.item(), abs=1e-5)


def test_probabilities_of_the_truth_are_calibrated():
    generator = torch.Generator().manual_seed(0)
    probs = torch.rand(200_000, generator=generator)
    truth = torch.rand(200_000, generator=generator) < probs
    assert expected_calibration_error(probs, truth) < 0.01


def test_the_best_level_is_found():
    """The largest Dice of all cuts, by trying each of a fine grid."""
    generator = torch.Generator().manual_seed(0)
    probs = torch.rand(400, generator=generator) ** 3
    truth = torch.rand(400, generator=generator) < probs
    level, index = best_level(probs, truth)
    grid = torch.linspace(0, 1, 5001).tolist()
    assert index == max(dice(probs > cut, truth) for cut in grid)
    assert index == dice(probs > level, truth) > dice(probs > 0.5, truth)


def test_levels_that_lie_close_together_are_told_apart():
    """A loss that leaves every probability near one half has a cut, too."""
    truth = torch.arange(100) < 20
    probs = 0.5 - 1e-6 * torch.arange(100)
    level, index = best_level(probs, truth)
    assert index == dice(probs.double() > level, truth) == 1


def test_of_equal_levels_the_middle_one():
    truth = torch.arange(10) < 4
    assert best_level(truth.float(), truth)[0] == 0.5
    everywhere = torch.full((10,), 0.25)
    assert best_level(everywhere, truth)[0] == 0.125


def test_several_classes_are_judged_each_against_the_rest():
    mask = torch.tensor([[0, 1, 1, 2], [0, 1, 1, 2]])
    probs = torch.nn.functional.one_hot(mask, 3).movedim(-1, 0).float()
    found = judge([probs], [mask])
    assert found == {
        "dice": 1, "hd95": 0, "ece": 0, "brier": 0, "area": 1,
    }  # fmt: skip
    wrong = probs[[0, 2, 1]]
    assert judge([wrong], [mask])["dice"] == 0


def test_distances_count_only_where_there_is_a_truth():
    """A false alarm in an empty picture costs Dice, which pools pixels."""
    truth = [square(2, 2, 4).long(), EMPTY.long()]
    probs = [square(2, 2, 4).float()[None], square(2, 2, 2).float()[None]]
    found = judge(probs, truth)
    assert found["hd95"] == 0 and found["dice"] == 32 / 36

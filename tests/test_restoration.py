"""What the chapters on restored photographs share: data, training, judges."""

import pytest
import torch
import torch.nn.functional as F

import handbook_code
from handbook_code import mse_loss, restoration
from handbook_code.data import crops, photographs
from handbook_code.restoration import judged, noisy, train


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def pictures():
    return photographs()


@pytest.fixture(scope="module")
def truth(pictures):
    return pictures["china"][None]


def test_every_name_that_is_offered_exists():
    for name in handbook_code.__all__:
        assert hasattr(handbook_code, name)


def test_photographs_fit_a_network_that_halves_twice(pictures):
    for picture in pictures.values():
        channels, height, width = picture.shape
        assert channels == 3 and height % 4 == width % 4 == 0
        assert 0 <= picture.min() < 0.2 and 0.8 < picture.max() <= 1


def test_photographs_shrink_by_means(pictures):
    whole = photographs(shrink=1)["coffee"][:, :400, :600]
    torch.testing.assert_close(F.avg_pool2d(whole, 2), pictures["coffee"])


def test_crops_are_parts_of_the_pictures():
    numbered = [torch.arange(n * 8.0).view(1, n, 8) for n in (8, 30)]
    found = crops(numbered, 50, 8, dice())
    assert found.shape == (50, 1, 8, 8)
    for crop in found:
        first = crop[0, 0, 0].item()
        torch.testing.assert_close(
            crop, torch.arange(first, first + 64).view(1, 8, 8)
        )
    # As likely from the small as from the large one, whose crops differ.
    starts = found[:, 0, 0, 0]
    assert 10 < (starts == 0).sum() < 40 and starts.max() == 22 * 8


def test_a_seed_is_a_start_and_its_batches(truth):
    clean = crops([truth[0]], 20, 16, dice())
    once, again = (
        train(mse_loss, clean, noisy, rate=1e-3, seed=3, steps=3)
        for _ in range(2)
    )
    other = train(mse_loss, clean, noisy, rate=1e-3, seed=4, steps=3)
    runs = (model.parameters() for model in (once, again, other))
    for a, b, c in zip(*runs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        assert not torch.equal(a, c)


def test_a_start_that_is_given_is_used_and_left_as_it_was(truth):
    clean = crops([truth[0]], 20, 16, dice())
    start = restoration.Restore()
    before = [p.clone() for p in start.parameters()]
    near = train(
        mse_loss, clean, noisy, rate=1e-6, seed=0, steps=2, start=start
    )
    assert near is not start
    after = start.parameters(), near.parameters()
    for was, now, moved in zip(before, *after, strict=True):
        torch.testing.assert_close(was, now, rtol=0, atol=0)
        torch.testing.assert_close(now, moved, rtol=0, atol=1e-5)
        assert not torch.equal(now, moved)


def test_training_lowers_the_loss(truth):
    clean = crops([truth[0]], 200, 16, dice())
    short, longer = (
        train(mse_loss, clean, noisy, rate=0.004, seed=0, steps=steps)
        for steps in (2, 60)
    )
    spoilt = noisy(clean, dice(1))
    with torch.no_grad():
        costs = [mse_loss(m(spoilt), clean) for m in (short, longer)]
    assert costs[1] < costs[0] / 2


def test_the_truth_is_judged_perfect(truth):
    table = judged({"it": [lambda x: x]}, [(truth, truth)])
    best = {"SSIM": 1, "MS-SSIM": 1, "contrast": 1, "detail": 1,
            "L1 ×100": 0, "light off": 0, "colour off": 0}  # fmt: skip
    for measure, value in best.items():
        assert table[measure]["it"].item() == pytest.approx(value, abs=1e-5)
    assert table["PSNR"]["it"].item() > 100


def test_light_and_colour_are_told_apart(truth):
    # Luma is 0.299 R + 0.587 G + 0.114 B: this tint leaves it as it was.
    tint = torch.tensor([0.114, 0.0, -0.299]).view(3, 1, 1) / 10
    assert restoration.light_off(truth + 0.02, truth) == pytest.approx(
        2, abs=1e-3
    )
    assert restoration.colour_off(truth + 0.02, truth) < 1e-4
    assert restoration.light_off(truth + tint, truth) < 1e-4
    # The mean of 1.14, 0 and 2.99 hundredths.
    assert restoration.colour_off(truth + tint, truth) == pytest.approx(
        (1.14 + 2.99) / 3, abs=1e-3
    )


def test_noise_is_contrast_and_no_detail(truth):
    grainy = noisy(truth, dice())
    smooth = F.avg_pool2d(F.pad(truth, [1] * 4, mode="replicate"), 3, 1)
    assert restoration.contrast(grainy, truth) > 1.05
    assert abs(restoration.detail(grainy, truth) - 1) < 0.05
    assert restoration.contrast(smooth, truth) < 0.9
    assert restoration.detail(smooth, truth) < 0.4
    half = truth.mean() + 0.5 * (truth - truth.mean())
    assert restoration.contrast(half, truth) == pytest.approx(0.5, abs=1e-3)
    assert restoration.detail(half, truth) == pytest.approx(0.5, abs=1e-3)


def test_runs_are_judged_one_by_one_and_pictures_together(truth):
    def brighter(by):
        return lambda x: x + by

    pairs = [(truth, truth), (truth + 0.02, truth)]
    table = judged(
        {"two": [brighter(0.0), brighter(0.02)]},
        pairs,
        {"light": restoration.light_off},
    )
    torch.testing.assert_close(
        table["light"]["two"], torch.tensor([1.0, 3.0]), atol=1e-3, rtol=0
    )

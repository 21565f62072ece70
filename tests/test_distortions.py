"""Distortions of photographs that are made as those of TID2013 are named."""

import pytest
import torch

from handbook_code.data import photographs
from handbook_code.distortions import DISTORTIONS, distorted, write_copy
from handbook_code.opinion import KINDS, TID2013

LEVELS = range(1, 6)


@pytest.fixture(scope="module")
def picture():
    return photographs()["china"][:, 40:104, 60:124]


def number(name):
    return KINDS.index(name) + 1


def error(picture, kind, level, seed=0):
    return (distorted(picture, kind, level, seed) - picture).pow(2).mean()


@pytest.mark.parametrize("kind", DISTORTIONS)
def test_a_picture_stays_a_picture(picture, kind):
    for level in LEVELS:
        made = distorted(picture, kind, level)
        assert made.shape == picture.shape
        assert 0 <= made.min() and made.max() <= 1
        whole = made * 255
        torch.testing.assert_close(whole, whole.round(), atol=1e-4, rtol=0)
        assert error(picture, kind, level) > 1e-6


@pytest.mark.parametrize("kind", DISTORTIONS)
def test_levels_are_stronger_and_stronger(picture, kind):
    found = torch.stack([error(picture, kind, level) for level in LEVELS])
    assert found[4] > 2 * found[0]
    # A patch more may fall on a place like it.
    assert (found.diff() > -0.1 * found[1:]).all()


@pytest.mark.parametrize("kind", DISTORTIONS)
def test_a_seed_is_a_distortion(picture, kind):
    one, same, other = (distorted(picture, kind, 4, n) for n in (1, 1, 2))
    assert torch.equal(one, same)
    by_chance = ("noise", "patches", "blocks")
    drawn = any(word in KINDS[kind - 1] for word in by_chance)
    assert torch.equal(one, other) != drawn


def test_noises_are_of_their_colour_and_grain():
    # On grey there is neither clipping nor structure.
    grey = torch.full((3, 64, 64), 0.5)
    noise = {
        name: distorted(grey, number(name), 2) - 0.5
        for name in ("Gaussian noise", "noise, most in colours",
                     "correlated noise", "high-frequency noise")
    }  # fmt: skip
    white = noise["Gaussian noise"]
    assert white.std() == pytest.approx(0.04, rel=0.05)
    share = {k: v.mean(0).std() / v.std() for k, v in noise.items()}
    assert share["noise, most in colours"] < 0.5 * share["Gaussian noise"]

    def neighbours(x):
        return torch.corrcoef(
            torch.stack([x[..., 1:].flatten(), x[..., :-1].flatten()])
        )[0, 1]

    assert abs(neighbours(white)) < 0.05
    assert neighbours(noise["correlated noise"]) > 0.8
    assert neighbours(noise["high-frequency noise"]) < -0.1


def test_tones(picture):
    light = [distorted(picture, number("mean shift"), n) for n in LEVELS]
    change = [(x - picture).mean() for x in light]
    assert [c > 0 for c in change] == [False, True, False, True, False]
    contrast = [distorted(picture, number("contrast"), n) for n in LEVELS]
    wider = [x.std() > picture.std() for x in contrast]
    assert wider == [False, True, False, True, False]
    grey = distorted(picture, number("saturation"), 4)
    assert (grey.amax(0) - grey.amin(0)).max() < 1.5 / 255


def test_quantised_tones_are_few(picture):
    made = distorted(picture, number("quantisation"), 5)
    assert len(made.unique()) <= 4


def test_impulses_are_black_or_white(picture):
    made = distorted(picture, number("impulse noise"), 5)
    eight = (picture * 255).round() / 255
    hit = (made - eight).abs() > 1 / 255
    assert 0.03 < hit.float().mean() < 0.12
    assert set(made[hit].unique().tolist()) <= {0.0, 1.0}


def test_a_constant_picture_has_nothing_to_blur():
    flat = torch.full((3, 32, 32), 0.2)
    for name in ("blur", "JPEG2000", "contrast", "saturation"):
        made = distorted(flat, number(name), 3)
        torch.testing.assert_close(made, flat, atol=1.01 / 255, rtol=0)


def test_a_folder_is_read_back(picture, tmp_path):
    folder = tmp_path / "deep" / "copy"
    write_copy(folder, [picture, 1 - picture], lambda a, b: 9 - (a - b).std())
    data = TID2013(folder, complete=False)
    assert len(data) == 2 * len(DISTORTIONS) * 5
    row = data[len(data) - 1]
    negative = distorted(row.reference, row.kind, row.level, seed=2)
    assert torch.equal(row.distorted, negative)
    assert row.mos == pytest.approx(
        9 - (row.reference - row.distorted).std().item(), abs=1e-4
    )
    torch.testing.assert_close(
        row.reference, 1 - picture, atol=0.51 / 255, rtol=0
    )


@pytest.mark.parametrize(("kind", "level"), [(4, 1), (1, 0), (1, 6)])
def test_unknown_kinds_and_levels(picture, kind, level):
    with pytest.raises(ValueError, match="kind, level: expected one of"):
        distorted(picture, kind, level)

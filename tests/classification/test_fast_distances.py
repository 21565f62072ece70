"""Distances that look no further than they must: those of the formula."""

import pytest
import torch

from handbook_code import _fused, formulas_only, squared_distance_map
from handbook_code.classification import _fast_distances

IMAGES = [(1,), (40,), (1, 9), (9, 1), (23, 31), (6, 7, 8), (3, 4, 5, 6)]


@pytest.fixture(autouse=True, params=[1 << 16, 60])
def blocks(request, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", request.param)


@pytest.fixture
def taken(monkeypatch):
    calls = []
    road = _fast_distances.squared_to_other_side
    monkeypatch.setattr(
        _fast_distances,
        "squared_to_other_side",
        lambda *a: calls.append(1) or road(*a),
    )
    return calls


def assert_same(masks, spacing=None):
    actual = squared_distance_map(masks, spacing=spacing)
    with formulas_only():
        expected = squared_distance_map(masks, spacing=spacing)
    tolerance = 0 if spacing is None else 1e-6
    torch.testing.assert_close(
        actual, expected, rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.97, 1.0])
@pytest.mark.parametrize("spaced", [False, True])
def test_random_masks(image, share, spaced, generator, taken):
    masks = torch.rand(3, 3, *image, generator=generator) < share
    spacing = [0.5, 3.0, 1.25, 0.7][: len(image)] if spaced else None
    assert_same(masks, spacing)
    assert_same(masks.double(), spacing)
    assert len(taken) == 2


def test_near_and_far_regions(generator):
    """A speck, a disc, a frame, a stripe each way, and one in the corner."""
    y, x = torch.meshgrid(torch.arange(70), torch.arange(60), indexing="ij")
    shapes = [
        (y == 50) & (x == 7),
        (y - 20) ** 2 + (x - 40) ** 2 < 150,
        (y < 3) | (y > 66) | (x < 3) | (x > 56),
        (y > 30) & (y < 33),
        (x > 30) & (x < 33),
        (y < 5) & (x < 4),
    ]
    masks = torch.stack(shapes)[:, None]
    assert_same(masks)
    assert_same(masks, (5.0, 0.3))


def test_two_classes_that_fill_the_image_and_two_that_do_not(generator):
    mask = torch.rand(2, 1, 9, 8, generator=generator) < 0.3
    both = torch.cat([mask, ~mask], 1)
    assert_same(both)
    both[1, 0, 3, 3] = both[1, 1, 3, 3]
    assert_same(both)
    assert_same(torch.cat([mask, mask], 1))


def test_other_strides(generator):
    masks = torch.rand(2, 3, 9, 8, generator=generator) < 0.2
    assert_same(masks.mT)
    assert_same(masks.to(memory_format=torch.channels_last))
    assert_same(masks[:, :, ::2, 1:])


def test_a_line_longer_than_a_run_of_blocks_is_exact():
    mask = torch.zeros(1, 1, 3, 5000, dtype=torch.bool)
    mask[..., 1, 4001] = True
    squared = squared_distance_map(mask)
    assert squared[0, 0, 2, 0] == 4001**2 + 1

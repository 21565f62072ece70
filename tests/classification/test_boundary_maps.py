"""Distances against scipy's, the maps made of them, a data set that keeps
them."""

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch.utils.data import DataLoader

from handbook_code import (
    DistanceMaps,
    boundary_loss,
    distance_penalty,
    signed_distance_map,
    squared_distance_map,
)
from handbook_code.classification import _distances

MAPS = [signed_distance_map, squared_distance_map, distance_penalty]
every_map = pytest.mark.parametrize("function", MAPS)


def both_sides(mask, spacing):
    """scipy's distances, to the other side of the boundary."""
    return sum(
        distance_transform_edt(side, sampling=spacing)
        for side in (mask, ~mask)
    )


def mixed(generator, *shape, share=0.3):
    """A mask with pixels on either side."""
    flat = torch.rand(*shape, generator=generator).flatten(2) < share
    flat[..., 0], flat[..., -1] = False, True
    return flat.reshape(shape)


@pytest.mark.parametrize(
    ("image", "spacing"),
    [
        ((9,), None),
        ((9,), 0.4),
        ((7, 12), None),
        ((7, 12), (0.5, 3.0)),
        ((1, 6), (2.0, 1.0)),
        ((5, 6, 7), None),
        ((5, 6, 7), (4.0, 0.7, 1.3)),
        ((3, 2, 4, 3), (4.0, 0.7, 1.3, 0.2)),
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_distances_are_those_of_scipy(
    image, spacing, share, generator, device
):
    masks = mixed(generator, 3, 2, *image, share=share)
    ours = squared_distance_map(masks, spacing=spacing)
    assert ours.dtype == torch.float32
    flat = zip(masks.flatten(0, 1), ours.flatten(0, 1), strict=True)
    for mask, squared in flat:
        expected = both_sides(mask.cpu().numpy(), spacing)
        torch.testing.assert_close(
            squared.sqrt().double().cpu(), torch.tensor(expected)
        )


@pytest.mark.parametrize("image", [(300, 700), (40, 50, 60)])
def test_squares_of_whole_numbers_are_exact(image, generator, device):
    """Nothing is rounded in float32, also where many blocks are needed."""
    masks = mixed(generator, 1, 1, *image, share=1e-4)
    ours = squared_distance_map(masks)[0, 0].cpu().double().numpy()
    theirs = both_sides(masks[0, 0].cpu().numpy(), None)
    assert np.array_equal(ours, np.rint(theirs**2))


def test_a_block_is_as_good_as_another(generator, device, monkeypatch):
    masks = mixed(generator, 2, 3, 11, 13)
    expected = squared_distance_map(masks)
    for block in (1, 100, 2000):
        monkeypatch.setattr(_distances, "BLOCK_ON_CPU", block)
        monkeypatch.setattr(_distances, "BLOCK_ELSEWHERE", block)
        assert torch.equal(squared_distance_map(masks), expected)


def test_memory_is_that_of_the_image(generator):
    """No table of all pairs of pixels of a line: it would be 300 times."""
    masks = mixed(generator, 1, 1, 300, 300)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            nonlocal largest
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                largest = max(largest, out.numel())
            return out

    with Watch():
        squared_distance_map(masks)
    assert largest <= 2 * masks.numel()


def test_the_signed_map_by_hand(device):
    """A cross: its centre is one step from nothing but itself."""
    mask = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]])[None, None]
    root = 2**0.5
    expected = torch.tensor([[1, 0, 1], [0, 1 - root, 0], [1, 0, 1]])
    torch.testing.assert_close(signed_distance_map(mask)[0, 0], expected)
    # Twice as high as wide: 1 is the smaller step, and 2 lies above.
    expected = torch.tensor([[1, 0, 1], [-0.0, 1 - 5**0.5, 0], [1, 0, 1]])
    tall = signed_distance_map(mask, spacing=(2.0, 1.0))[0, 0]
    expected[1, 0] = expected[1, 2] = 1 - 2
    torch.testing.assert_close(tall, expected)


@pytest.mark.parametrize("spacing", [None, 0.5, (3.0, 4.0)])
def test_without_another_side_it_is_the_diagonal(spacing, device):
    """4 by 3 pixels: the diagonal of that, and no pixel is so far."""
    low, high = spacing if isinstance(spacing, tuple) else 2 * (spacing or 1,)
    diagonal = torch.tensor(((4 * low) ** 2 + (3 * high) ** 2) ** 0.5)
    empty = torch.zeros(1, 1, 4, 3)
    step = min(low, high)
    for mask, signed in ((empty, diagonal), (1 - empty, step - diagonal)):
        made = signed_distance_map(mask, spacing=spacing)
        torch.testing.assert_close(made, signed.expand_as(mask))
        made = squared_distance_map(mask, spacing=spacing)
        torch.testing.assert_close(made, (diagonal**2).expand_as(mask))
        assert (distance_penalty(mask, spacing=spacing) == 0).all()
    corner = empty.clone()
    corner[..., 0, 0] = 1
    farthest = squared_distance_map(corner, spacing=spacing).amax()
    assert farthest < diagonal**2


@every_map
def test_the_forms_of_a_target(function, segmented, device):
    _, labels = segmented
    made = function(labels, classes=4)
    masks = torch.stack([labels == c for c in range(4)], 1)
    for form in (masks, masks.float(), masks.half()):
        torch.testing.assert_close(function(form), made)
    assert function(masks.double()).dtype == torch.float64
    assert made.dtype == torch.float32 and made.shape == (2, 4, 5, 6)
    single = function(masks[:, 2], classes=1)
    torch.testing.assert_close(single, made[:, 2:3])
    torch.testing.assert_close(
        function(masks[:, 2].to(torch.uint8), classes=1), single
    )


@every_map
def test_the_wrong_form_is_refused(function, device):
    labels = torch.zeros(2, 4, 5).long()
    for arguments, error, message in (
        ((labels,), TypeError, "number of classes .* got torch.int64"),
        (([0],), TypeError, "expected a tensor, got list"),
        ((torch.zeros(3, 4),), ValueError, r"\(N, K, …\) .* got \(3, 4\)"),
    ):
        with pytest.raises(error, match=rf"^target: .*{message}"):
            function(*arguments)
    with pytest.raises(TypeError, match=r"^target: expected integer classes"):
        function(labels.float(), classes=3)
    with pytest.raises(ValueError, match=r"^target: .* got \(2,\)$"):
        function(labels[:, 0, 0], classes=3)
    with pytest.raises(ValueError, match=r"^classes: .* got 0"):
        function(labels, classes=0)


@every_map
def test_a_spacing_may_be_numpy_s(function, generator, device):
    """As ``header.get_zooms()`` of a scan gives it."""
    masks = mixed(generator, 1, 1, 6, 7)
    sizes = (np.float32(0.5), np.float64(2))
    expected = function(masks, spacing=(0.5, 2.0))
    assert torch.equal(function(masks, spacing=sizes), expected)
    expected = function(masks, spacing=0.5)
    assert torch.equal(function(masks, spacing=sizes[0]), expected)


@pytest.mark.parametrize(
    ("image", "spacing"),
    [
        ((1, 9), (1e-3, 1e3)),
        ((9, 1), None),
        ((1, 1, 6), (5.0, 0.7, 0.7)),
        ((4, 5, 6), (1e4, 1e-4, 1.0)),
    ],
)
def test_thin_images_and_spacings_far_apart(image, spacing, generator):
    masks = mixed(generator, 2, 1, *image, share=0.2)
    for dtype, rtol in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        ours = squared_distance_map(masks.to(dtype), spacing=spacing)
        for mask, squared in zip(masks[:, 0], ours[:, 0], strict=True):
            expected = torch.tensor(both_sides(mask.numpy(), spacing) ** 2)
            torch.testing.assert_close(
                squared.double(), expected, rtol=rtol, atol=0
            )


@every_map
def test_nothing_has_maps_of_nothing(function, device):
    for shape in ((0, 2, 3, 4), (2, 0, 3, 4), (2, 1, 0, 4)):
        assert function(torch.zeros(shape)).shape == shape


@every_map
def test_vmap_is_a_loop(function, generator, device):
    masks = mixed(generator, 5, 2, 3, 6, 7)
    each = torch.stack([function(m) for m in masks])
    torch.testing.assert_close(torch.vmap(function)(masks), each)


@every_map
def test_the_compiler_captures_a_map(function, generator, device):
    masks = mixed(generator, 2, 3, 6, 7)
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        compiled(masks, spacing=(1.0, 2.0)),
        function(masks, spacing=(1.0, 2.0)),
    )


# The data set


class Counted:
    """Ten pictures with masks of classes, and how often each is read."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(10, 1, 6, 7, generator=generator)
        self.labels = torch.randint(3, (10, 6, 7), generator=generator)
        self.computed = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], self.labels[index]

    def count(self, *arguments, **keywords):
        self.computed += 1
        return signed_distance_map(*arguments, **keywords)


def test_a_map_is_computed_once():
    pairs = Counted()
    dataset = DistanceMaps(pairs, pairs.count, classes=3, spacing=(2.0, 1.0))
    for _ in range(2):
        for index in (3, -7, 0):
            image, mask, made = dataset[index]
            assert torch.equal(image, pairs.images[index])
            assert torch.equal(mask, pairs.labels[index])
            expected = signed_distance_map(
                mask[None], classes=3, spacing=(2.0, 1.0)
            )
            assert torch.equal(made, expected[0])
            made.zero_()  # the kept one stays as it is
    assert pairs.computed == 2  # -7 is 3
    assert len(dataset.fill()) == 10 and pairs.computed == 10
    with pytest.raises(IndexError):
        dataset[10]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_batches_maps(workers):
    dataset = DistanceMaps(Counted(), classes=3).fill()
    loader = DataLoader(dataset, batch_size=4, num_workers=workers)
    sizes = []
    for image, mask, made in loader:
        probs = torch.rand(len(image), 3, 6, 7)
        torch.testing.assert_close(
            boundary_loss(probs, mask, distance_map=made),
            boundary_loss(probs, mask),
        )
        sizes.append(len(made))
    assert sizes == [4, 4, 2]


def test_an_array_is_a_mask():
    pairs = [(None, np.array([[True, False], [False, False]]))]
    *_, made = DistanceMaps(pairs, squared_distance_map, classes=1)[0]
    assert made.tolist() == [[[1, 1], [1, 2]]]

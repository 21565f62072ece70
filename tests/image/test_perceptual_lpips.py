"""LPIPS and its layers: parity, values by hand, the module and messages."""

import copy
import sys

import pytest
import torch
from torch import nn

from handbook_code import LPIPS, lpips_heads, lpips_layer_loss
from peers import peer


def with_slope(loss, input, *rest):
    input = input.detach().requires_grad_()
    value = loss(input, *rest)
    return value, *torch.autograd.grad(value.sum(), input)


# Parity


def theirs(net, **options):
    torch.manual_seed(0)
    module = peer("lpips").LPIPS(
        net=net, pnet_rand=True, verbose=False, **options
    )
    return module.double()


def published(net, like):
    return [head.to(like.device) for head in lpips_heads(net)]


def backbone_of(module):
    """Their network, with the normalisation of ImageNet before it."""
    return lambda x: module.net(module.scaling_layer(2 * x - 1))


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
@pytest.mark.parametrize("pretrained", [True, False])
def test_lpips_is_the_module_of_lpips(net, pretrained, coloured):
    """With their own random network; the published heads, or random ones."""
    module = theirs(net, pretrained=pretrained)
    for lin in module.lins:  # random heads are negative, too
        lin.model[-1].weight.data.abs_()
    heads = [lin.model[-1].weight.flatten() for lin in module.lins]
    if pretrained:
        for mine, head in zip(lpips_heads(net), heads, strict=True):
            assert torch.equal(mine.double(), head.cpu())
    x, y = coloured
    ours = LPIPS(backbone_of(module), heads=heads)
    expected = with_slope(lambda a, b: module(a, b, normalize=True).mean(),
                          x, y)  # fmt: skip
    torch.testing.assert_close(with_slope(ours, x, y), expected)
    each = LPIPS(backbone_of(module), heads=heads, reduction="none")
    wide = LPIPS(
        backbone_of(module),
        heads=heads,
        input_range=(-1, 1),
        reduction="none",
    )
    torch.testing.assert_close(each(x, y), wide(2 * x - 1, 2 * y - 1))
    several = module(x, y, normalize=True).flatten()
    torch.testing.assert_close(each(x, y), several)


def test_the_scaling_layer_is_the_normalisation_of_imagenet():
    layer = theirs("squeeze").scaling_layer
    mean, deviation = (
        torch.tensor(numbers).double()
        for numbers in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    torch.testing.assert_close(layer.shift.flatten(), 2 * mean - 1)
    torch.testing.assert_close(layer.scale.flatten(), 2 * deviation)


def test_lpips_is_that_of_torchmetrics(coloured):
    """They add 1e-8 to the squared length."""
    lpips = peer("torchmetrics.functional.image.lpips")
    module = theirs("alex")
    other = lpips._LPIPS(net="alex", pretrained=False, pnet_rand=True)
    other.double().load_state_dict(module.state_dict(), strict=False)
    x, y = coloured
    ours = LPIPS(backbone_of(module), heads=published("alex", x))
    torch.testing.assert_close(
        ours(x, y),
        other(x, y, normalize=True).mean(),
        rtol=1e-4,
        atol=0,
    )


def test_lpips_is_that_of_piq(coloured):
    """Its class wants weights from the net; the loss it builds on does not."""
    module = theirs("vgg")
    layers = [layer for n in range(1, 6)
              for layer in getattr(module.net, f"slice{n}")]  # fmt: skip
    network = nn.Sequential(*layers)
    heads = published("vgg", coloured[0])
    loss = peer("piq.perceptual").ContentLoss(
        network,
        layers=["3", "8", "15", "22", "29"],
        weights=[head.view(1, -1, 1, 1) for head in heads],
        normalize_features=True,
        reduction="none",
    )
    ours = LPIPS(backbone_of(module), heads=heads, reduction="none")
    # Their normalisation of the pictures is rounded to float32.
    torch.testing.assert_close(
        ours(*coloured), loss(*coloured), rtol=1e-5, atol=0
    )


def test_zero_features_have_no_slope_in_lpips_and_a_finite_one_here(device):
    """There, behind a ReLU, the slope of zero hides it."""
    features = torch.zeros(1, 3, 2, 2)
    normalise = peer("lpips").normalize_tensor
    _, slope = with_slope(lambda x: (normalise(x) - 1) ** 2, features)
    assert slope.isnan().all()
    ones, weight = torch.ones_like(features), torch.ones(3)
    value, slope = with_slope(lpips_layer_loss, features, ones, weight)
    assert value.item() == pytest.approx(1) and slope.isfinite().all()
    _, slope = with_slope(lambda x: (normalise(x.relu()) - 1) ** 2, features)
    assert (slope == 0).all()


# By hand, theorems


def test_a_layer_by_hand(device):
    """(3, 4) is (.6, .8), and (0, 5) is (0, 1): .36 and .04."""
    x, y = torch.tensor([[3.0, 4.0], [0.0, 5.0]]).view(2, 1, 2, 1, 1)
    weight = torch.tensor([2.0, 10.0])
    assert lpips_layer_loss(x, y, weight).item() == pytest.approx(1.12)
    nothing = lpips_layer_loss(0 * x, y, weight)
    assert nothing.item() == pytest.approx(10)  # weight · (0 − ŷ)²


def test_a_layer_is_at_most_four_times_the_largest_weight(device):
    x = torch.tensor([0.0, 5.0]).view(1, 2, 1, 1)
    weight = torch.tensor([2.0, 10.0])
    assert lpips_layer_loss(x, -x, weight).item() == pytest.approx(40)


def test_lpips_is_the_sum_of_its_layers(coloured, generator):
    x, y = coloured
    maps = lambda x: (x, x[..., ::3, :] ** 2)  # noqa: E731
    heads = torch.rand(2, 3, generator=generator).double()
    each = LPIPS(maps, heads=heads, reduction="none")
    layers = [
        lpips_layer_loss(a, b, head, reduction="none")
        for a, b, head in zip(maps(x), maps(y), heads, strict=True)
    ]
    torch.testing.assert_close(each(x, y), sum(layers))
    total = LPIPS(maps, heads=heads, reduction="sum")
    torch.testing.assert_close(total(x, y), each(x, y).sum())
    torch.testing.assert_close(
        LPIPS(maps, heads=heads)(x, y), each(x, y).mean()
    )


def test_an_empty_batch_costs_lpips_a_differentiable_nothing(coloured):
    loss = LPIPS(lambda x: [x], heads=[torch.ones(3)])
    value, slope = with_slope(loss, *(x[:0] for x in coloured))
    assert value == 0 and slope.shape == (0, 3, 64, 64)


def test_lpips_keeps_the_dtype_and_sums_layers_in_float32(coloured):
    loss = LPIPS(lambda x: [x] * 50, heads=[torch.ones(3)] * 50)
    x, y = (p.half() for p in coloured)
    assert loss(x, y).dtype == torch.float16
    expected = loss(x.double(), y.double())
    torch.testing.assert_close(
        loss(x, y).double(), expected, rtol=5e-3, atol=0
    )


# The module


def test_the_backbone_is_frozen_and_does_not_train(coloured):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.ReLU())
    network.double()
    features = Listed(network)
    loss = LPIPS(features, heads=[torch.ones(4)])
    assert not any(p.requires_grad for p in loss.parameters())
    assert not features.training
    loss.train()
    assert loss.training and not features.training and not network[1].training
    torch.testing.assert_close(loss(*coloured), loss(*coloured))
    twin = copy.deepcopy(loss)
    torch.testing.assert_close(twin(*coloured), loss(*coloured))
    assert "heads=1, input_range=(0.0, 1.0), reduction='mean'" in repr(loss)
    assert "head0" in loss.state_dict()


class Listed(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return [self.network(x)]


def test_a_black_and_a_white_of_one_s_own(coloured):
    x, y = coloured
    expected = LPIPS(lambda x: [x], heads=[torch.ones(3)])(x, y)
    bytes_ = LPIPS(lambda x: [x], heads=[torch.ones(3)], input_range=(0, 255))
    torch.testing.assert_close(bytes_(255 * x, 255 * y), expected)


def test_the_whole_module_is_compiled(coloured):
    torch.compiler.reset()
    loss = LPIPS(lambda x: [x, x.relu()], heads=[torch.ones(3)] * 2)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*coloured), loss(*coloured))


@pytest.mark.parametrize(
    ("net", "channels"),
    [
        ("alex", [64, 192, 384, 256, 256]),
        ("vgg", [64, 128, 256, 512, 512]),
        ("squeeze", [64, 128, 256, 384, 384, 512, 512]),
    ],
)
def test_published_heads(net, channels):
    """They are read without an import of lpips, and none is negative."""
    before = set(sys.modules)
    heads = lpips_heads(net)
    assert not {"lpips", "torchvision"} & (set(sys.modules) - before)
    assert [len(head) for head in heads] == channels
    assert all((head >= 0).all() for head in heads)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(
        "handbook_code.image.perceptual.find_spec", lambda name: None
    )
    with pytest.raises(ModuleNotFoundError, match=r"handbook-code\[features"):
        lpips_heads()


# Messages


def test_a_layer_wants_a_weight_for_each_channel(device):
    x = torch.zeros(2, 3, 4, 4)
    message = r"^weight: .* each channel of \(2, 3, 4, 4\), \(3,\), got \(4,\)"
    with pytest.raises(ValueError, match=message):
        lpips_layer_loss(x, x, torch.ones(4))
    with pytest.raises(ValueError, match=r"^input: .* \(N, C, H, W\), got"):
        lpips_layer_loss(x[0], x[0], torch.ones(3))


def test_lpips_wants_colour(device):
    x = torch.zeros(2, 1, 8, 8)
    loss = LPIPS(lambda x: [x], heads=[torch.ones(3)])
    message = r"^input: .* \(N, 3, H, W\), got \(2, 1, 8, 8\); .expand"
    with pytest.raises(ValueError, match=message):
        loss(x, x)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"heads": []}, ValueError, "heads: expected one for each map"),
        ({"heads": [torch.ones(1, 3)]}, ValueError, r"heads\[0\]: .* \(C,\)"),
        ({"heads": [-torch.ones(3)]}, ValueError, r"heads\[0\]: .* negative"),
        ({"heads": [3.0]}, TypeError, r"heads\[0\]: expected a tensor"),
        ({"input_range": (1, 0)}, ValueError, "input_range: .* black below"),
        ({"input_range": 255}, ValueError, "input_range: expected two"),
        ({"reduction": "avg"}, ValueError, "reduction: .* got 'avg'"),
    ],
)
def test_lpips_says_what_it_cannot_use(options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        LPIPS(lambda x: [x], **{"heads": [torch.ones(3)]} | options)


def test_lpips_wants_something_to_call():
    with pytest.raises(TypeError, match=r"^backbone: expected a function"):
        LPIPS("alex", heads=[torch.ones(3)])


@pytest.mark.parametrize("maps", [[1], [0, 1, 2], [1, 1]])
def test_maps_that_do_not_fit_the_heads(maps, coloured):
    loss = LPIPS(
        lambda x: [x[:, : c + 1] for c in maps],
        heads=[torch.ones(3), torch.ones(1)],
    )
    with pytest.raises(ValueError, match=r"^backbone: expected"):
        loss(*coloured)


def test_an_unknown_network_has_no_heads():
    with pytest.raises(ValueError, match=r"^network: .* got 'resnet'"):
        lpips_heads("resnet")

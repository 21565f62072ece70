"""Perceptual and style losses, beside peers, by hand and at the edges."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from handbook_code import (
    EnergyPyramid,
    gram_matrix,
    mse_loss,
    perceptual_loss,
    style_loss,
)
from peers import peer

both = pytest.mark.parametrize("loss", [perceptual_loss, style_loss])


@pytest.fixture
def pair(generator):
    like = {"generator": generator, "dtype": torch.double}
    return torch.rand(2, 3, 3, 20, 16, **like).unbind(0)


@pytest.fixture
def vgg(device):
    """The first layers of an untrained VGG of torchvision, by number."""
    torch.manual_seed(0)
    vgg = peer("torchvision.models.vgg")
    return vgg.make_layers(vgg.cfgs["A"])[:9].double().requires_grad_(False)


def cut(layers, places):
    """An extractor of those outputs; in-place layers do not spoil them."""

    def extract(x):
        maps = []
        for number, layer in enumerate(layers):
            x = layer(x.clone())
            if number in places:
                maps.append(x)
        return maps

    return extract


def slope(loss, x):
    x = x.clone().requires_grad_()
    value = loss(x)
    return value.detach(), *torch.autograd.grad(value.sum(), x)


def test_perceptual_loss_is_that_of_piq_but_for_the_channels(vgg, pair):
    """Theirs averages over positions, and sums over channels."""
    x, y = pair
    theirs = peer("piq").ContentLoss(
        vgg,
        layers=["1", "4"],
        weights=[1 / 64, 3 / 128],
        mean=[0.0] * 3,
        std=[1.0] * 3,
        reduction="none",
    )
    ours = slope(
        lambda x: perceptual_loss(
            x, y, extractor=cut(vgg, (1, 4)), weights=(1, 3), reduction="none"
        ),
        x,
    )
    torch.testing.assert_close(ours, slope(lambda x: theirs(x, y), x))


def test_style_loss_is_that_of_piq_but_for_the_positions(vgg, pair):
    """Theirs divides F Fᵀ by nothing, and the sum of squares by C²."""
    x, y = pair
    theirs = peer("piq").StyleLoss(
        vgg,
        layers=["1"],
        mean=[0.0] * 3,
        std=[1.0] * 3,
        reduction="none",
    )
    value, pull = slope(
        lambda x: style_loss(x, y, extractor=cut(vgg, (1,)), reduction="none"),
        x,
    )
    positions = 20 * 16
    torch.testing.assert_close(
        (positions**2 * value, positions**2 * pull),
        slope(lambda x: theirs(x, y), x),
    )


def test_perceptual_loss_is_that_of_monai_for_features_of_length_one(pair):
    """Theirs sums over channels, and normalises its pictures in place."""
    torch.manual_seed(0)
    losses = peer("monai.losses.perceptual")
    theirs = losses.PerceptualLoss(2, "resnet50", pretrained=False)
    net = theirs.perceptual_function

    def extractor(x):
        maps = net.model(losses.torchvision_zscore_norm(x.clone()))
        return losses.normalize_tensor(maps[net.final_layer])

    x, y = (F.interpolate(p.float(), 64) for p in pair)
    torch.testing.assert_close(
        theirs(x.clone(), y.clone()),
        2048 * perceptual_loss(x, y, extractor=extractor),
    )


def test_a_rectifier_in_place_overwrites_the_map_before_it(vgg, pair):
    """Cut a VGG after its rectifiers, or copy: before them it is too late."""
    x, _ = pair

    def careless(x):
        maps = []
        for number, layer in enumerate(vgg[:2]):
            x = layer(x)
            if number == 0:
                maps.append(x)
        return maps

    (spoilt,), (kept,) = careless(x), cut(vgg, (0,))(x)
    assert kept.min() < 0 <= spoilt.min()
    torch.testing.assert_close(spoilt, kept.relu())


def network(device):
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3, stride=2)]
    return cut(nn.ModuleList(layers).double().requires_grad_(False), (0, 1))


def naive_perceptual(maps):
    total = 0
    for f, g in maps:
        channels, height, width = f.shape
        for a, b in zip(f.flatten(), g.flatten(), strict=True):
            total = total + (a - b) ** 2 / (channels * height * width)
    return total


def naive_gram(f):
    channels, height, width = f.shape
    rows = [[0.0] * channels for _ in range(channels)]
    for h in range(height):
        for w in range(width):
            for i in range(channels):
                for j in range(channels):
                    rows[i][j] = rows[i][j] + f[i, h, w] * f[j, h, w] / (
                        channels * height * width
                    )
    return rows


def naive_style(maps):
    total = 0
    for f, g in maps:
        for row, other in zip(naive_gram(f), naive_gram(g), strict=True):
            for a, b in zip(row, other, strict=True):
                total = total + (a - b) ** 2
    return total


@pytest.mark.parametrize(
    ("loss", "naive"),
    [(perceptual_loss, naive_perceptual), (style_loss, naive_style)],
)
def test_losses_are_their_sums_in_loops(loss, naive, generator, device):
    extractor = network(device)
    x, y = torch.rand(2, 1, 3, 8, 7, generator=generator, dtype=torch.double)
    ours = slope(lambda x: loss(x, y, extractor=extractor), x)

    def in_loops(x):
        maps = zip(extractor(x), extractor(y), strict=True)
        return naive([(f[0], g[0]) for f, g in maps])

    torch.testing.assert_close(ours, slope(in_loops, x))


def test_values_by_hand(device):
    """Two channels, two positions: F Fᵀ is 5, 11, 25 over 4."""
    f = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    gram = torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4
    torch.testing.assert_close(gram_matrix(f), gram)
    g = torch.zeros_like(f)
    identity = {"extractor": nn.Identity()}
    value = perceptual_loss(f, g, **identity).item()
    assert value == (1 + 4 + 9 + 16) / 4
    value = style_loss(f, g, **identity).item()
    assert value == (25 + 2 * 121 + 625) / 16


def test_seen_through_nothing_it_is_the_mean_squared_error(pair):
    x, y = pair
    torch.testing.assert_close(
        perceptual_loss(x, y, extractor=nn.Identity()), mse_loss(x, y)
    )


@both
def test_without_an_extractor_it_is_the_pyramid(loss, pair):
    x, y = pair
    expected = loss(x, y, extractor=EnergyPyramid())
    torch.testing.assert_close(loss(x, y), expected)
    assert expected > 0 and loss(x, x) == 0


@both
def test_weights_weigh_the_maps(loss, pair, device):
    x, y = pair
    extractor = network(device)
    first, second = (
        loss(x, y, extractor=lambda x, n=n: extractor(x)[n]) for n in (0, 1)
    )
    torch.testing.assert_close(
        loss(x, y, extractor=extractor, weights=(0.5, 4)),
        0.5 * first + 4 * second,
    )
    torch.testing.assert_close(loss(x, y, extractor=extractor), first + second)


def test_styles_of_pictures_of_other_sizes(pair):
    x, y = pair
    wide = torch.cat([y, y], dim=-1)
    identity = {"extractor": nn.Identity()}
    torch.testing.assert_close(
        style_loss(x, wide, **identity), style_loss(x, y, **identity)
    )
    assert style_loss(x, wide[..., :9, :]).isfinite()


@both
def test_the_target_gets_a_gradient_if_it_wants_one(loss, pair, device):
    x, y = pair
    _, expected = slope(lambda x: loss(x, y, extractor=network(device)), x)
    _, swapped = slope(lambda x: loss(y, x, extractor=network(device)), x)
    torch.testing.assert_close(swapped, expected)


def test_a_frozen_network_keeps_no_graph_for_the_target(pair, device):
    x, y = pair
    seen = []

    def watched(images):
        maps = network(device)(images)
        seen.append(maps[0].requires_grad)
        return maps

    perceptual_loss(x.requires_grad_(), y, extractor=watched)
    assert seen == [True, False]


@both
def test_a_network_that_is_not_frozen_is_trained_along(loss, pair):
    x, y = pair
    layer = nn.Conv2d(3, 2, 3).double()
    loss(x, y, extractor=layer).backward()
    assert layer.weight.grad.any()


@both
def test_the_default_compiles_and_maps(loss, pair, device):
    x, y = pair
    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        slope(lambda x: compiled(x, y), x), slope(lambda x: loss(x, y), x)
    )
    each = torch.vmap(lambda x, y: loss(x[None], y[None]))(x, y)
    torch.testing.assert_close(each, loss(x, y, reduction="none"))
    with torch.autocast(device.type, dtype=torch.bfloat16):
        torch.testing.assert_close(loss(x, y), loss(x, y))
        mixed = loss(x.float(), y.float())
    torch.testing.assert_close(mixed, loss(x.float(), y.float()))


@both
def test_half_precision_is_computed_in_float32(loss, device):
    x = torch.zeros(1, 3, 300, 300, dtype=torch.half).requires_grad_()
    value = loss(x, torch.ones_like(x) * 3, extractor=nn.Identity())
    value.backward()
    # Of the Gram matrices nine entries are 3² / 3; of pixels each is 3².
    assert value.item() == {perceptual_loss: 9.0, style_loss: 81.0}[loss]
    assert x.grad.isfinite().all() and value.dtype == torch.half


def test_a_gram_matrix_of_half_precision_does_not_overflow(device):
    gram = gram_matrix(torch.full((1, 2, 512, 512), 8.0).half())
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram, torch.full((1, 2, 2), 32.0))


def test_features_that_are_all_zero_have_a_gradient(device):
    x = torch.zeros(1, 2, 4, 4, requires_grad=True)
    style_loss(x, torch.ones_like(x), extractor=nn.Identity()).backward()
    assert not x.grad.any()


@both
def test_maps_that_do_not_fit_are_refused(loss, pair):
    x, y = pair
    for extractor, message in (
        (lambda x: x[:2], r"row for each of the 3 pictures of input, got \("),
        (lambda x: x.sum(), r"row for each of the 3 pictures of input, got"),
        (lambda x: [x, x.flatten(0, 1)], r"pictures of input, got \(9, 20"),
    ):
        with pytest.raises(ValueError, match=f"^extractor: .*{message}"):
            loss(x, y, extractor=extractor)
    with pytest.raises(TypeError, match=r"^extractor: .* got torch.int64$"):
        loss(x, y, extractor=lambda x: x.long())
    with pytest.raises(TypeError, match=r"^extractor: .* got list$"):
        loss(x, y, extractor=lambda x: [[x]])


@both
def test_weights_that_do_not_fit_are_refused(loss, pair):
    x, y = pair
    with pytest.raises(ValueError, match=r"^weights: .* map, 6, got 2$"):
        loss(x, y, weights=(1, 2))
    with pytest.raises(ValueError, match=r"^weights: .* at least 0, got -1$"):
        loss(x, y, extractor=nn.Identity(), weights=[-1])
    with pytest.raises(ValueError, match=r"^weights: .* each map, 0, got 0$"):
        loss(x, y, extractor=lambda x: [])


def test_pictures_that_do_not_fit_are_refused(pair):
    x, y = pair
    with pytest.raises(ValueError, match=r"^target: .*\(3, 3, 20, 16\), got"):
        perceptual_loss(x, y[..., :9])
    with pytest.raises(ValueError, match=r"^target: .*\(3, 3\), got \(1, 3\)"):
        style_loss(x, y[:1])
    with pytest.raises(
        ValueError, match=r"^images: expected pictures, \(N, 3"
    ):
        style_loss(x[0], y[0])
    with pytest.raises(ValueError, match=r"^features: .* got \(3, 9\)$"):
        gram_matrix(torch.rand(3, 9))
    with pytest.raises(ValueError, match=r"^features: .* got \(3, 9\)$"):
        style_loss(x, y, extractor=lambda x: x.new_ones(3, 9))
    with pytest.raises(ValueError, match=r"^features: .* got \(1, 2, 0\)$"):
        gram_matrix(torch.rand(1, 2, 0))
    assert gram_matrix(torch.rand(0, 2, 5)).shape == (0, 2, 2)


# What the papers say of it, as sentences.


def test_a_gram_matrix_has_no_negative_eigenvalue(generator, device):
    f = torch.randn(5, 6, 3, generator=generator, dtype=torch.double)
    gram = gram_matrix(f)
    torch.testing.assert_close(gram, gram.mT)
    assert torch.linalg.eigvalsh(gram).min() > -1e-12


def test_positions_may_come_in_any_order(pair, generator):
    x, _ = pair
    order = torch.randperm(320, generator=generator)
    shuffled = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(x))


def test_it_is_neither_centred_nor_scaled(pair):
    x, _ = pair
    assert not torch.allclose(gram_matrix(x + 1), gram_matrix(x))
    torch.testing.assert_close(gram_matrix(3 * x), 9 * gram_matrix(x))
    f = x[0].flatten(1)
    mean = f.mean(1)
    moment = torch.cov(f, correction=0) + torch.outer(mean, mean)
    torch.testing.assert_close(gram_matrix(x)[0], moment / 3)


def test_it_is_the_discrepancy_of_a_squared_kernel(pair):
    """Li et al. (2017): every feature of one picture with each of another."""
    x, y = pair

    def kernel(f, g):
        f, g = f.flatten(2), g.flatten(2)
        return (f.mT @ g).square().mean((1, 2))

    mmd = kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)
    torch.testing.assert_close(
        style_loss(x, y, extractor=nn.Identity(), reduction="none"), mmd / 9
    )


def test_the_gradient_goes_through_the_network(pair, device):
    """It is the transposed Jacobian times the difference of features."""
    x, y = (p[:1, :, :6, :6] for p in pair)

    layers = network(device)

    def extract(x):
        return layers(x)[0].sigmoid()

    _, pull = slope(lambda x: perceptual_loss(x, y, extractor=extract), x)
    gap = extract(x) - extract(y)
    jacobian = torch.func.jacrev(extract)(x)
    right = torch.einsum("nchw,nchwmdij->mdij", gap, jacobian)
    torch.testing.assert_close(pull, 2 * right / gap.numel())


def test_in_a_checkerboard_the_pyramid_sees_the_finest_detail(device):
    """Gabor filters alone would miss what upsampling often leaves behind."""
    y, x = torch.meshgrid(*2 * [torch.arange(32.0)], indexing="ij")
    board = 0.5 + 0.1 * (1 - 2 * ((x + y) % 2))[None, None]
    maps = EnergyPyramid()(board), EnergyPyramid()(torch.full_like(board, 0.5))
    gaps = [F.mse_loss(f, g).item() for f, g in zip(*maps, strict=True)]
    assert gaps[0] > 0.1 > 50 * max(gaps[2:])

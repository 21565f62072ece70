"""Induced distances and sensitivities: parity, values by hand, messages."""

from functools import partial

import pytest
import torch
from scipy.spatial import distance as scipy_distance
from torch import nn

from handbook_code import (
    EnergyPyramid,
    euclidean_distance,
    inner_distance,
    ms_ssim_loss,
    nlpd,
    normalized_laplacian_pyramid,
    perceptual_distance,
    reconstruction_distance,
    response_jacobian,
    rms_sensitivity,
    self_distance,
    sensitivity,
)


@pytest.fixture
def network(device):
    """A small autoencoder of pictures; its first half is an encoder."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.ConvTranspose2d(3, 1, 4, stride=2, padding=1),
    ).to(device)


@pytest.fixture
def pictures(generator, device):
    draw = partial(torch.rand, 4, 1, 8, 8, generator=generator, device=device)
    return draw(), draw()


def two_maps(x):
    return [x.square(), (x[:, :1] * x[:, 1:2]).sum(1)]


def test_a_triangle_of_three_and_four(device):
    """√(3² + 4²) = 5, over both axes of a sample."""
    x = torch.zeros(1, 2, 2)
    y = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    assert euclidean_distance(x, y) == 5
    assert perceptual_distance(x, y, lambda x: 2 * x) == 10
    assert inner_distance(x, y, lambda x: x[:, 0]) == 3
    assert reconstruction_distance(x, y, lambda x: x / 2) == 2.5
    assert self_distance(y, lambda x: -x) == 10
    assert sensitivity(lambda x, y: 0 * x[:, 0, 0] + 10, x, y) == 2


def test_parity_with_torch_and_scipy(generator, device):
    x, y = torch.randn(2, 5, 7, generator=generator, dtype=torch.double)
    ours = euclidean_distance(x, y)
    torch.testing.assert_close(ours, torch.cdist(x, y).diagonal())
    torch.testing.assert_close(ours, torch.linalg.vector_norm(x - y, dim=1))
    pairs = zip(x.tolist(), y.tolist(), strict=True)
    theirs = [scipy_distance.euclidean(*pair) for pair in pairs]
    torch.testing.assert_close(ours.cpu(), torch.tensor(theirs).double().cpu())


def test_torch_s_pairwise_distance_adds_a_millionth_to_each_difference():
    """So the distance of equal points is not zero there."""
    x = torch.ones(1, 4, dtype=torch.double)
    assert nn.PairwiseDistance()(x, x) == pytest.approx(2e-6)
    assert euclidean_distance(x, x) == 0
    torch.testing.assert_close(
        nn.PairwiseDistance(eps=0)(x, 3 * x), euclidean_distance(x, 3 * x)
    )


def test_it_is_the_rmse_times_the_root_of_the_number_of_pixels(pictures):
    x, y = pictures
    rmse = (x - y).square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(euclidean_distance(x, y), 8 * rmse)


def test_several_maps_count_as_one_long_response(pictures):
    x, y = (p.flatten(1) for p in pictures)

    def joined(x):
        return torch.cat([part.reshape(len(x), -1) for part in two_maps(x)], 1)

    torch.testing.assert_close(
        perceptual_distance(x, y, two_maps), perceptual_distance(x, y, joined)
    )
    torch.testing.assert_close(
        response_jacobian(two_maps, x), response_jacobian(joined, x)
    )


def test_reductions(pictures, network):
    x, y = pictures
    each = reconstruction_distance(x, y, network)
    assert each.shape == (4,)
    for reduction, value in (("mean", each.mean()), ("sum", each.sum())):
        torch.testing.assert_close(
            reconstruction_distance(x, y, network, reduction=reduction), value
        )


def test_a_network_gets_float32_and_gives_what_was_asked(pictures, network):
    x, y = (p.half() for p in pictures)
    distance = reconstruction_distance(x, y, network)
    assert distance.dtype == torch.float16
    right = reconstruction_distance(x.float(), y.float(), network)
    torch.testing.assert_close(distance, right.half())


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_no_number_is_too_small_or_large(size, device):
    """Their squares are no float32."""
    x = torch.tensor([[3.0, 4.0]]) * size
    y = torch.zeros_like(x).requires_grad_()
    value = euclidean_distance(y, x)
    torch.testing.assert_close(value.item(), 5 * size)
    (slope,) = torch.autograd.grad(value.sum(), y)
    torch.testing.assert_close(slope, torch.tensor([[-0.6, -0.8]]))


def test_at_distance_zero_the_gradient_is_zero(pictures, network):
    x = pictures[0].requires_grad_()
    same = x.detach().clone()
    for value in (
        euclidean_distance(x, same),
        perceptual_distance(x, same, EnergyPyramid()),
        inner_distance(x, same, network[:2]),
        reconstruction_distance(x, same, network),
        self_distance(x, lambda x: x),
        sensitivity(euclidean_distance, x, same),
        rms_sensitivity(lambda x: 0 * x.square(), x),
    ):
        (slope,) = torch.autograd.grad(value.sum(), x)
        assert (value == 0).all() and (slope == 0).all()


def test_losses_train_networks(pictures, network):
    """Gradients reach the parameters of what is called."""
    x, y = pictures
    for value in (
        self_distance(x, network),
        inner_distance(x, y, network[:2]),
        rms_sensitivity(network, x),
    ):
        slopes = torch.autograd.grad(value.sum(), network[0].weight)
        assert slopes[0].abs().sum() > 0


@pytest.mark.parametrize("parts", [1, 2, 3], ids=["wide", "code", "square"])
def test_the_jacobian_is_that_of_autograd(parts, pictures, network):
    """Of more responses than pixels, of fewer, and of as many."""
    x = pictures[0]
    response = network[:parts]
    if parts == 2:
        response = nn.Sequential(response, nn.AvgPool2d(4))
    ours = response_jacobian(response, x)
    for row, found in zip(x, ours, strict=True):
        right = torch.autograd.functional.jacobian(response, row[None])
        torch.testing.assert_close(found, right.reshape(found.shape))


@pytest.mark.parametrize(
    "response", [normalized_laplacian_pyramid, EnergyPyramid()]
)
def test_the_jacobian_of_real_responses(response, pictures):
    """Its columns are central differences."""
    x = pictures[0].double() + 1
    jacobian = response_jacobian(response, x)
    step = torch.zeros_like(x)
    step[:, 0, 3, 4] = 1e-6
    maps = zip(response(x + step), response(x - step), strict=True)
    moved = [(up - down).flatten(1) / 2e-6 for up, down in maps]
    torch.testing.assert_close(
        jacobian[..., 3 * 8 + 4], torch.cat(moved, 1), rtol=1e-5, atol=1e-5
    )


def test_the_jacobian_of_single_numbers(device):
    x = torch.tensor([1.0, 2.0])
    assert response_jacobian(lambda x: x**3, x).tolist() == [[[3]], [[12]]]
    assert rms_sensitivity(lambda x: x**3, x).tolist() == [3, 12]


def test_the_jacobian_of_no_samples(network):
    x = torch.zeros(0, 1, 8, 8)
    assert response_jacobian(network, x).shape == (0, 64, 64)
    assert response_jacobian(lambda x: x.mean((1, 2, 3)), x).shape == (
        0,
        1,
        64,
    )


def test_the_jacobian_compiles_vectorises_and_has_a_slope(pictures, network):
    x = pictures[0]
    expected = response_jacobian(network, x)
    torch.compiler.reset()
    compiled = torch.compile(
        partial(response_jacobian, network),
        fullgraph=True,
        backend="aot_eager",
    )
    torch.testing.assert_close(compiled(x), expected)
    batches = torch.stack([x, 2 * x])
    many = torch.vmap(partial(response_jacobian, network))(batches)
    torch.testing.assert_close(many[0], expected)
    network.double()
    assert torch.autograd.gradcheck(
        partial(response_jacobian, network),
        x[:1, :, :4, :4].double().requires_grad_(),
    )


def test_the_root_mean_square_is_over_all_directions(pictures, network):
    """‖J‖²/D: of the axes, of any other axes, and of the sphere."""
    x = pictures[0]
    exact = rms_sensitivity(network, x)
    values = torch.linalg.svdvals(response_jacobian(network, x))
    torch.testing.assert_close(exact, values.square().mean(1).sqrt())
    torch.manual_seed(0)
    turned = 7 * torch.linalg.qr(torch.randn(64, 64))[0]
    axes = rms_sensitivity(network, x, probes=turned.view(64, 1, 8, 8))
    torch.testing.assert_close(axes, exact)
    some = rms_sensitivity(network, x, probes=torch.randn(2000, 1, 8, 8))
    torch.testing.assert_close(some, exact, rtol=0.03, atol=0)


def test_the_mean_is_over_directions_not_responses(pictures, network):
    """Responses that are repeated add up; directions are as many as pixels."""
    x = pictures[0]

    def twice(x):
        return [network(x), network(x)]

    torch.testing.assert_close(
        rms_sensitivity(twice, x), 2**0.5 * rms_sensitivity(network, x)
    )


def test_a_small_step_has_the_sensitivity_of_its_direction(pictures, network):
    x, y = (p.double() for p in pictures)
    network.double()
    response = network[:2]
    way = y - x
    ratio = sensitivity(
        partial(perceptual_distance, response=response), x, x + 1e-6 * way
    )
    push = response_jacobian(response, x) @ way.flatten(1)[..., None]
    expected = push.squeeze(2).norm(dim=1) / euclidean_distance(x, y)
    torch.testing.assert_close(ratio, expected, rtol=1e-5, atol=0)


def test_nlpd_is_norm_like_and_ms_ssim_is_not(generator, device):
    x = 0.3 + 0.4 * torch.rand(1, 1, 176, 176, generator=generator)
    x = x.double()
    way = torch.randn(x.shape, generator=generator).double()
    steps = (1e-3, 1e-5)
    for distance, holds in (
        (partial(nlpd, reduction="none"), True),
        (partial(ms_ssim_loss, data_range=1.0, reduction="none"), False),
    ):
        far, near = (sensitivity(distance, x, x + t * way) for t in steps)
        ratio = (near / far).item()
        assert ratio == pytest.approx(1 if holds else 1e-2, rel=0.05)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: perceptual_distance(x, x, 3),
            TypeError,
            "response: expected a function, got int",
        ),
        (
            lambda x: inner_distance(x, x, lambda x: x.long()),
            TypeError,
            "encoder: expected a floating-point tensor, got torch.int64",
        ),
        (
            lambda x: inner_distance(x, x, lambda x: 0.5),
            TypeError,
            "encoder: expected a tensor, got float",
        ),
        (
            lambda x: perceptual_distance(x, x, lambda x: []),
            ValueError,
            "response: expected one tensor or several, got none",
        ),
        (
            lambda x: perceptual_distance(x, x, torch.sum),
            ValueError,
            r"response: expected a row for each of 2 samples, got \(\)",
        ),
        (
            lambda x: self_distance(x, lambda x: x[:, :1]),
            ValueError,
            r"autoencoder: expected the shape of the samples, \(2, 3\), "
            r"got \(2, 1\)",
        ),
        (
            lambda x: reconstruction_distance(x, x, lambda x: [x, x]),
            TypeError,
            "autoencoder: expected a tensor, got list",
        ),
        (
            lambda x: euclidean_distance(x, x[:1]),
            ValueError,
            r"x2: expected the shape of x1, \(2, 3\), got \(1, 3\)",
        ),
        (
            lambda x: euclidean_distance(x[0, 0], x[0, 0]),
            ValueError,
            r"x1: expected samples, \(N, …\), got \(\)",
        ),
        (
            lambda x: self_distance(x[:, :0], lambda x: x),
            ValueError,
            r"x: expected samples, \(N, …\), got \(2, 0\)",
        ),
        (
            lambda x: sensitivity(nn.functional.mse_loss, x, x),
            ValueError,
            r"distance: expected one value for each sample of x1, \(2,\), "
            r"got \(\)",
        ),
        (
            lambda x: sensitivity("nlpd", x, x),
            TypeError,
            "distance: expected a function, got str",
        ),
        (
            lambda x: rms_sensitivity(torch.tanh, x, probes=x[:, :2]),
            ValueError,
            r"probes: expected directions of the shape of samples, \(K, 3\), "
            r"got \(2, 2\)",
        ),
        (
            lambda x: rms_sensitivity(torch.tanh, x, probes=x[:0]),
            ValueError,
            "probes: expected directions",
        ),
        (
            lambda x: rms_sensitivity(torch.tanh, x, probes=x.long()),
            TypeError,
            "probes: expected a floating-point tensor",
        ),
        (
            lambda x: response_jacobian(torch.tanh, x.long()),
            TypeError,
            "x: expected a floating-point tensor, got torch.int64",
        ),
    ],
)
def test_messages(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call(torch.zeros(2, 3))

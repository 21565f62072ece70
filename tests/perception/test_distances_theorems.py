"""What is true of induced distances, whatever induces them."""

from functools import partial

import pytest
import torch
from torch import nn

from handbook_code import (
    euclidean_distance,
    inner_distance,
    perceptual_distance,
    reconstruction_distance,
    response_jacobian,
    rms_sensitivity,
    self_distance,
    sensitivity,
)


@pytest.fixture
def response(device):
    torch.manual_seed(1)
    layers = nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 5)
    return nn.Sequential(*layers).double().to(device)


@pytest.fixture
def points(generator, device):
    return 2 * torch.randn(3, 500, 5, generator=generator, dtype=torch.double)


def test_a_difference_of_responses_is_a_pseudometric(points, response):
    """Symmetric, zero to itself, and no way round is shorter."""
    x, y, z = points
    for distance in (
        partial(perceptual_distance, response=response),
        partial(inner_distance, encoder=response[:2]),
        partial(reconstruction_distance, autoencoder=response),
        euclidean_distance,
    ):
        torch.testing.assert_close(distance(x, y), distance(y, x))
        assert (distance(x, x) == 0).all()
        assert (distance(x, z) <= distance(x, y) + distance(y, z)).all()


def test_what_a_response_discards_is_at_distance_zero(points):
    x, y, _ = points
    other = torch.cat([x[:, :3], y[:, 3:]], dim=1)
    assert (euclidean_distance(x, other) > 0).all()
    assert (perceptual_distance(x, other, lambda x: x[:, :3]) == 0).all()


def test_an_isometry_on_top_changes_no_distance(points, response):
    """Responses are known up to a turn, a mirror and a shift."""
    x, y, _ = points
    turn = torch.linalg.qr(torch.randn(5, 5, dtype=torch.double))[0]
    moved = nn.Sequential(response, nn.Linear(5, 5).double())
    with torch.no_grad():
        moved[1].weight.copy_(turn)
    torch.testing.assert_close(
        perceptual_distance(x, y, moved), perceptual_distance(x, y, response)
    )


def test_reconstructions_of_perfection_are_at_the_euclidean_distance(points):
    x, y, _ = points
    torch.testing.assert_close(
        reconstruction_distance(x, y, lambda x: x), euclidean_distance(x, y)
    )


def test_d_r_differs_from_d_e_by_at_most_both_self_distances(points, response):
    """The triangle from x over f(x) and f(y) to y."""
    x, y, _ = points
    gap = reconstruction_distance(x, y, response) - euclidean_distance(x, y)
    most = self_distance(x, response) + self_distance(y, response)
    assert (gap.abs() <= most).all()


def test_the_ratio_lies_between_the_singular_values(points, response):
    x, y, _ = points
    near = x + 1e-7 * (y - x)
    ratio = sensitivity(
        partial(perceptual_distance, response=response), x, near
    )
    values = torch.linalg.svdvals(response_jacobian(response, x))
    assert (ratio <= values[:, 0] * (1 + 1e-5)).all()
    assert (ratio >= values[:, -1] * (1 - 1e-5)).all()


def test_the_rms_sensitivity_bounds_the_volume(points, response):
    """Means of squares are at least geometric means."""
    x = points[0]
    determinant = torch.linalg.det(response_jacobian(response, x))
    assert (rms_sensitivity(response, x) > determinant.abs() ** (1 / 5)).all()


def test_the_bound_is_reached_by_conformal_maps(points):
    """An inversion, x / ‖x‖², scales all directions alike, by 1 / ‖x‖²."""
    x = points[0]

    def inversion(x):
        return x / x.square().sum(1, keepdim=True)

    determinant = torch.linalg.det(response_jacobian(inversion, x))
    found = rms_sensitivity(inversion, x)
    torch.testing.assert_close(found, determinant.abs() ** (1 / 5))
    torch.testing.assert_close(found, 1 / x.square().sum(1))


def test_the_sensitivity_of_the_norm_itself_is_one(points):
    x, y, _ = points
    ratio = sensitivity(euclidean_distance, x, y)
    torch.testing.assert_close(ratio, torch.ones_like(ratio))
    assert torch.allclose(
        rms_sensitivity(lambda x: x, x), torch.ones_like(ratio)
    )

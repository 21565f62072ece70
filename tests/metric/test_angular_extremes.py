"""Angular margins: extremes and messages."""

import math

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)

LOSSES = [sphereface_loss, cosface_loss, arcface_loss, adaface_loss]
every_loss = pytest.mark.parametrize("loss", LOSSES)
on_the_sphere = pytest.mark.parametrize("loss", LOSSES[1:])


def slope(loss, x, centers, labels, **options):
    """By embeddings and by centers."""
    x, centers = (a.detach().clone().requires_grad_() for a in (x, centers))
    value = loss(x, centers, labels, reduction="sum", **options)
    return torch.autograd.grad(value, (x, centers))


@every_loss
@pytest.mark.parametrize("theta", [0.0, math.pi])
@pytest.mark.parametrize("length", [1e-30, 1.0, 1e30])
def test_the_gradient_at_and_opposite_a_centre_is_finite(
    loss, theta, length, device
):
    x = torch.tensor([[length * math.cos(theta), 0.0]])
    centers = torch.tensor([[3.0, 0], [0, 5]])
    pulls = slope(loss, x, centers, torch.tensor([0]))
    assert all(pull.isfinite().all() for pull in pulls)


@every_loss
@pytest.mark.parametrize("zero", ["embedding", "centre", "both"])
def test_a_zero_vector_is_at_a_right_angle_and_can_move(loss, zero, device):
    x = torch.tensor([[1.0, 2, 2]])
    centers = torch.tensor([[0.0, 1, 0], [1, 0, 0]])
    if zero != "centre":
        x = 0 * x
    if zero != "embedding":
        centers[0] = 0
    labels = torch.tensor([0])
    pulls = slope(loss, x, centers, labels)
    assert all(pull.isfinite().all() for pull in pulls)
    assert (pulls[1][0] if zero == "centre" else pulls[0]).any()
    if loss is arcface_loss:
        other = 0 if zero != "centre" else 1 / 3
        expected = math.log1p(math.exp(other + math.sin(0.5)))
        value = loss(x, centers, labels, s=1.0)
        assert value.item() == pytest.approx(expected, rel=1e-5)


def test_a_small_angle_is_measured_to_seven_digits_of_a_right_one(device):
    """Where 1 − cos² is rounding in float32, or nothing."""
    theta = torch.tensor([1e-6, 1e-5, 1e-4, 1e-3], dtype=torch.float64)
    x = torch.stack([theta.cos(), theta.sin()], dim=1)
    centers, labels = torch.eye(2), torch.zeros(4, dtype=torch.long)
    exact = arcface_loss(x, centers.double(), labels, reduction="none")
    actual = arcface_loss(x.float(), centers, labels, reduction="none")
    torch.testing.assert_close(actual.double(), exact, rtol=0, atol=1e-5)
    narrow, wide = (
        slope(arcface_loss, a, centers.to(a), labels)[0][1:].double()
        for a in (x.float(), x)
    )
    torch.testing.assert_close(narrow, wide, rtol=0.01, atol=1e-3)


@on_the_sphere
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_of_64_are_not_rounded_to_half_precision(
    loss, dtype, generator
):
    like = {"generator": generator, "dtype": dtype}
    x, centers = torch.randn(50, 8, **like), torch.randn(9, 8, **like)
    labels = torch.randint(9, (50,), generator=generator)
    actual = loss(x, centers, labels, reduction="none")
    exact = loss(x.double(), centers.double(), labels, reduction="none")
    torch.testing.assert_close(
        actual, exact.to(dtype), atol=1e-4, rtol=torch.finfo(dtype).eps
    )


def test_a_batch_of_one_has_no_deviation_and_the_usual_margin(batch):
    x, labels = batch[0][:1], batch[2][:1]
    actual = adaface_loss(x, batch[1], labels)
    torch.testing.assert_close(
        actual, cosface_loss(x, batch[1], labels, m=0.4)
    )
    assert slope(adaface_loss, x, batch[1], labels)[0].isfinite().all()


def test_normalised_embeddings_leave_no_quality_to_read(batch):
    """Their lengths differ by rounding, which is no deviation."""
    x, centers, labels = (
        a.float() if a.is_floating_point() else a for a in batch
    )
    x = F.normalize(x)
    actual = adaface_loss(x, centers, labels, h=1.0, reduction="none")
    expected = cosface_loss(x, centers, labels, m=0.4, reduction="none")
    torch.testing.assert_close(actual, expected, rtol=0, atol=0.02)


def test_the_gradient_does_not_pull_at_the_length(batch):
    """It is read as quality, and not to be inflated for an easier margin."""
    for loss in LOSSES[1:]:
        pull, turn = slope(loss, *batch)
        x, centers, _ = batch
        torch.testing.assert_close((pull * x).sum(1), 0 * x[:, 0])
        torch.testing.assert_close((turn * centers).sum(1), 0 * centers[:, 0])
    pull, _ = slope(sphereface_loss, *batch)
    assert ((pull * batch[0]).sum(1).abs() > 1e-3).any()


@every_loss
def test_one_class_costs_nothing(loss, device):
    x, centers = torch.randn(3, 4), torch.randn(1, 4)
    assert loss(x, centers, torch.zeros(3, dtype=torch.long)) == 0


@every_loss
def test_no_intermediate_is_of_n_k_d_numbers(loss):
    """A hundred embeddings, a hundred classes, a hundred numbers each."""
    saved = []

    def keep(tensor):
        saved.append(tensor.numel())
        return tensor

    x = torch.randn(100, 100, requires_grad=True)
    centers = torch.randn(100, 100, requires_grad=True)
    labels = torch.randint(100, (100,))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        loss(x, centers, labels)
    assert saved and max(saved) <= 100 * 100


# Messages


@every_loss
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"labels": torch.eye(7)[:4].long()},
            ValueError,
            r"labels: expected one class for each embedding, \(4,\), "
            r"got \(4, 7\)",
        ),
        (
            {"labels": torch.zeros(4)},
            TypeError,
            "labels: expected an integer tensor, got torch.float32",
        ),
        ({"labels": [0, 1, 2, 3]}, TypeError, "labels: expected a tensor, .*"),
        (
            {"centers": torch.ones(5, 7)},
            ValueError,
            r"centers: expected one row for each class, of the length of "
            r"embeddings, \(K, 5\), got \(5, 7\)",
        ),
        (
            {"embeddings": torch.ones(5)},
            ValueError,
            r"embeddings: expected \(N, D\), got \(5,\)",
        ),
    ],
)
def test_the_wrong_form_is_named_with_both_shapes(
    loss, change, error, message
):
    arguments = {
        "embeddings": torch.ones(4, 5),
        "centers": torch.ones(7, 5),
        "labels": torch.tensor([0, 1, 2, 6]),
    }
    with pytest.raises(error, match=f"^{message}$"):
        loss(**(arguments | change))


@every_loss
@pytest.mark.parametrize("label", [-1, -100, 7])
def test_a_class_without_a_centre_is_refused(loss, label):
    with pytest.raises((IndexError, RuntimeError)):
        loss(torch.ones(1, 5), torch.ones(7, 5), torch.tensor([label]))


@every_loss
@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_any_integers_are_labels(loss, dtype, batch):
    x, centers, labels = batch
    assert loss(x, centers, labels.to(dtype)) == loss(*batch)


@pytest.mark.parametrize(
    ("loss", "option", "error", "message"),
    [
        (sphereface_loss, {"m": 0}, ValueError, "m: expected a whole .* 0"),
        (sphereface_loss, {"m": 1.5}, TypeError, "m: expected .* got float"),
        (sphereface_loss, {"blend": -1.0}, ValueError, "blend: .* got -1.0"),
        (cosface_loss, {"s": 0.0}, ValueError, "s: expected a positive .*"),
        (cosface_loss, {"m": -0.1}, ValueError, "m: .* at least 0, got -0.1"),
        (
            arcface_loss,
            {"m": 28.6},
            ValueError,
            "m: expected radians below π, got 28.6",
        ),
        (adaface_loss, {"m": 4.0}, ValueError, "m: expected radians .*"),
        (adaface_loss, {"h": -1.0}, ValueError, "h: .* got -1.0"),
        (adaface_loss, {"norm_std": -1.0}, ValueError, "norm_std: .* -1.0"),
        (
            adaface_loss,
            {"norm_mean": torch.ones(4)},
            ValueError,
            r"norm_mean: expected one number, \(\), got \(4,\)",
        ),
        (adaface_loss, {"norm_mean": "x"}, TypeError, "norm_mean: .* got str"),
    ],
)
def test_a_parameter_out_of_range_is_refused(loss, option, error, message):
    x, labels = torch.ones(4, 5), torch.zeros(4, dtype=torch.long)
    with pytest.raises(error, match=f"^{message}$"):
        loss(x, x, labels, **option)

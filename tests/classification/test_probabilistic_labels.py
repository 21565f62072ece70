"""Losses of a probability: labels in every form, and messages."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    GHM,
    Criterion,
    class_weights,
    cross_entropy_loss,
    focal_loss,
    ghm_loss,
    ghm_regression_loss,
    poly1_loss,
    poly_loss,
    softmax_focal_loss,
)

OF_CLASSES = [
    cross_entropy_loss,
    softmax_focal_loss,
    poly1_loss,
    partial(poly_loss, coefficients=[1.0, 0.5]),
]
OF_ONE_CLASS = OF_CLASSES[1:]
BINARY = [focal_loss, ghm_loss]

every_loss_of_classes = pytest.mark.parametrize("loss", OF_CLASSES)
every_loss_of_one_class = pytest.mark.parametrize("loss", OF_ONE_CLASS)
every_binary_loss = pytest.mark.parametrize("loss", BINARY)


@pytest.fixture
def batch(generator):
    """Five classes on a 2 × 3 grid, and an index for each of its places."""
    z = 3 * torch.randn(7, 5, 2, 3, generator=generator, dtype=torch.float64)
    return z, torch.randint(5, (7, 2, 3), generator=generator)


def one_hot(target, classes):
    return F.one_hot(target, classes).movedim(-1, 1)


# Labels in every form


@every_loss_of_classes
@pytest.mark.parametrize("form", [torch.long, torch.uint8, torch.bool])
def test_one_hot_is_the_index(loss, form, batch):
    z, t = batch
    rows = one_hot(t, 5).to(form)
    torch.testing.assert_close(loss(z, rows), loss(z, t))


@every_loss_of_classes
def test_indices_come_in_any_integer_type(loss, batch):
    z, t = batch
    for dtype in (torch.uint8, torch.int16, torch.int32):
        torch.testing.assert_close(loss(z, t.to(dtype)), loss(z, t))


def test_a_one_hot_distribution_is_the_index_in_cross_entropy(batch):
    z, t = batch
    for options in ({}, {"label_smoothing": 0.3}, {"weight": z[0, :, 0, 0]}):
        for rows in (one_hot(t, 5), one_hot(t, 5).double()):
            torch.testing.assert_close(
                cross_entropy_loss(z, rows, **options, reduction="none"),
                cross_entropy_loss(z, t, **options, reduction="none"),
                rtol=1e-12,
                atol=1e-12,
            )


@every_loss_of_one_class
def test_a_distribution_is_refused_where_one_class_is_meant(loss, device):
    with pytest.raises(
        TypeError,
        match=r"^target: expected integers, as class indices \(4,\) or "
        r"one-hot \(4, 3\), got torch.float32 of shape \(4, 3\)$",
    ):
        loss(torch.zeros(4, 3), torch.full((4, 3), 1 / 3))


@every_loss_of_classes
def test_the_wrong_shape_names_both_right_ones(loss, device):
    for wrong in ((3,), (4, 1), (3, 4), (4, 5, 3)):
        with pytest.raises(ValueError) as caught:
            loss(torch.zeros(4, 3, 5), torch.zeros(wrong).long())
        assert str(caught.value) == (
            "target: expected integer class indices (4, 5) or one row of the "
            "classes per sample (4, 3, 5), got torch.int64 of shape "
            f"{tuple(wrong)}"
        )


@every_loss_of_classes
@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_indices_are_integers(loss, dtype, device):
    with pytest.raises(TypeError, match=r"^target: .* \(4,\) or .* \(4, 3\)"):
        loss(torch.zeros(4, 3), torch.zeros(4, dtype=dtype))


@every_loss_of_classes
def test_one_class_is_refused_with_the_way_out(loss, device):
    with pytest.raises(ValueError, match=r"^logits: .*two or more.*focal_lo"):
        loss(torch.zeros(4, 1, 8, 8), torch.zeros(4, 8, 8).long())
    with pytest.raises(ValueError, match=r"^logits: .* got \(4,\)"):
        loss(torch.zeros(4), torch.zeros(()).long())


@every_binary_loss
@pytest.mark.parametrize("form", [torch.bool, torch.uint8, torch.long])
def test_binary_labels_come_in_any_type(loss, form, generator):
    z = torch.randn(20, generator=generator, device=generator.device)
    y = (torch.rand(20, generator=generator, device=z.device) > 0.6).float()
    torch.testing.assert_close(loss(z, y.to(form)), loss(z, y))
    half = loss(z.half(), y.to(form))
    assert half.dtype == torch.float16


@every_binary_loss
def test_binary_shapes_are_never_broadcast(loss, device):
    with pytest.raises(
        ValueError,
        match=r"^target: expected the shape of logits, \(64, 1\), got \(64,",
    ):
        loss(torch.ones(64, 1), torch.ones(64))


@every_loss_of_classes
def test_weights_are_one_per_class(loss, device):
    z, t = torch.zeros(4, 3), torch.zeros(4).long()
    with pytest.raises(
        ValueError,
        match=r"^weight: expected one number per class, \(3,\), got \(4,\)$",
    ):
        loss(z, t, weight=torch.ones(4))
    with pytest.raises(TypeError, match=r"^weight: expected a floating"):
        loss(z, t, weight=torch.ones(3).long())


@every_loss_of_classes
def test_weights_in_float32_keep_the_dtype_of_the_logits(loss, device):
    z = torch.zeros(4, 3, dtype=torch.bfloat16)
    weight = torch.tensor([1.0, 2, 3])
    loss = loss(z, torch.tensor([0, 1, 2, 2]), weight=weight)
    assert loss.dtype == torch.bfloat16


# Messages


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (partial(cross_entropy_loss, label_smoothing=1.1), ValueError,
         "label_smoothing: expected a number from 0 to 1, got 1.1"),
        (partial(cross_entropy_loss, label_smoothing="a"), TypeError,
         "label_smoothing: expected a number from 0 to 1, got str"),
        (partial(softmax_focal_loss, gamma=-1.0), ValueError,
         "gamma: expected a finite number of at least 0, got -1.0"),
        (partial(poly1_loss, epsilon=-1.5), ValueError,
         "epsilon: expected a finite number of at least -1, got -1.5"),
        (partial(poly_loss, coefficients=[]), ValueError,
         "coefficients: expected one or more numbers, (J,), got (0,)"),
        (partial(poly_loss, coefficients=[1.0, math.nan]), ValueError,
         "coefficients[1]: expected a finite number, got nan"),
        (partial(poly_loss, coefficients=torch.ones(2, 2)), ValueError,
         "coefficients: expected one or more numbers, (J,), got (2, 2)"),
        (partial(poly_loss, coefficients=torch.arange(2)), TypeError,
         "coefficients: expected a floating-point tensor, got torch.int64"),
    ],
)  # fmt: skip
def test_parameters_of_classes(call, error, message):
    with pytest.raises(error) as caught:
        call(torch.zeros(2, 3), torch.zeros(2).long())
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (partial(focal_loss, alpha=2.0), ValueError,
         "alpha: expected a number from 0 to 1, got 2.0"),
        (partial(focal_loss, gamma=math.inf), ValueError,
         "gamma: expected a finite number of at least 0, got inf"),
        (partial(ghm_loss, bins=0), ValueError,
         "bins: expected a whole number of at least 1, got 0"),
        (partial(ghm_loss, bins=2.0), TypeError,
         "bins: expected a whole number of at least 1, got float"),
        (partial(ghm_regression_loss, mu=0.0), ValueError,
         "mu: expected a positive finite number, got 0.0"),
        (partial(ghm_loss, mask=torch.ones(3)), TypeError,
         "mask: expected a boolean tensor, got torch.float32"),
        (partial(ghm_loss, mask=[True]), TypeError,
         "mask: expected a boolean tensor, got list"),
        (partial(ghm_loss, mask=torch.ones(3) > 0), ValueError,
         "mask: expected the shape of logits, (2,), got (3,)"),
        (lambda x, y: focal_loss(x, [1, 0]), TypeError,
         "target: expected a tensor, got list"),
        (lambda x, y: focal_loss(x, 1j * y), TypeError,
         "target: expected a real tensor, got torch.complex64"),
    ],
)  # fmt: skip
def test_parameters_of_binary_losses(call, error, message):
    with pytest.raises(error) as caught:
        call(torch.zeros(2), torch.zeros(2))
    assert str(caught.value) == message


@pytest.mark.parametrize("momentum", [-0.1, 1.0, math.nan])
def test_momentum_is_below_one(momentum):
    with pytest.raises(ValueError, match=r"^momentum: expected"):
        GHM(momentum=momentum)


@pytest.mark.parametrize("beta", [-0.1, 1.0])
def test_beta_is_below_one(beta):
    with pytest.raises(ValueError, match=r"^beta: expected"):
        class_weights([1, 2], beta=beta)


def test_counts_are_one_list():
    with pytest.raises(
        ValueError, match=r"^counts: expected one .* \(K,\), got \(1, 2\)$"
    ):
        class_weights(torch.ones(1, 2))


def test_an_index_out_of_range_is_found_by_torch():
    """Looking at values would make a GPU wait."""
    z = torch.zeros(2, 3)
    for loss in OF_CLASSES:
        with pytest.raises((IndexError, RuntimeError)):
            loss(z, torch.tensor([0, 3]))


def test_class_weights_are_a_buffer_of_a_criterion():
    weight = class_weights([90, 10])
    criterion = Criterion(cross_entropy_loss, weight=weight)
    assert torch.equal(criterion.state_dict()["weight"], weight)

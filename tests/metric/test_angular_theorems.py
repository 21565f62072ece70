"""Angular margins: what follows from their formulas, and their modules."""

import copy
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    AdaFace,
    ArcFace,
    CosFace,
    SphereFace,
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)

LOSSES = [sphereface_loss, cosface_loss, arcface_loss, adaface_loss]
MODULES = [SphereFace, CosFace, ArcFace, AdaFace]
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_module = pytest.mark.parametrize("module", MODULES)

ANGLES = torch.linspace(0, math.pi, 2001, dtype=torch.float64)


@pytest.fixture
def target_logit(at_angles):
    """What the class's own cosine is replaced by, read from the loss.

    With a second centre opposite, the loss is log(1 + e^(−cos θ − ψ)).
    """

    def of(loss, theta=ANGLES):
        x, centers, labels = at_angles(theta)
        value = loss(x, centers, labels, reduction="none")
        return -theta.cos() - value.expm1().log()

    return of


LAWS = [
    *(partial(sphereface_loss, m=m) for m in (1, 2, 3, 4)),
    partial(sphereface_loss, blend=5.0),
    *(partial(cosface_loss, s=1.0, m=m) for m in (0.0, 0.35)),
    *(partial(arcface_loss, s=1.0, m=m) for m in (0.0, 0.5, 3.0)),
]


@pytest.mark.parametrize("loss", LAWS)
def test_the_target_logit_falls_continuously_from_0_to_pi(loss, target_logit):
    steps = target_logit(loss).diff()
    assert (steps < 1e-9).all()
    assert steps.min() > -0.01  # nor does it jump


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_psi_goes_from_1_to_1_minus_2_m_and_never_above_the_cosine(
    m, target_logit
):
    psi = target_logit(partial(sphereface_loss, m=m))
    ends = torch.tensor([1, 1 - 2 * m], dtype=torch.float64)
    torch.testing.assert_close(psi[[0, -1]], ends)
    assert (psi <= ANGLES.cos() + 1e-9).all()


def test_the_blend_goes_from_psi_to_the_cosine(target_logit):
    psi, mixed, cosine = (
        target_logit(partial(sphereface_loss, blend=v)) for v in (0, 1, 1e9)
    )
    torch.testing.assert_close(mixed, (psi + cosine) / 2)
    torch.testing.assert_close(cosine, ANGLES.cos(), atol=1e-7, rtol=0)


@pytest.mark.parametrize("m", [0.3, 0.5, 1.2])
def test_beyond_pi_arcface_is_the_point_reflection_of_itself(m, target_logit):
    """In (π − m, −1): value and slope go on, and it falls."""
    corner = math.pi - m
    step = torch.linspace(0, m, 50, dtype=torch.float64)
    loss = partial(arcface_loss, s=1.0, m=m)
    beyond, before = (
        target_logit(loss, corner + sign * step) for sign in (1, -1)
    )
    torch.testing.assert_close(beyond + before, torch.full_like(step, -2.0))


def test_arcface_is_rising_in_its_margin(batch):
    losses = torch.stack(
        [arcface_loss(*batch, m=m, reduction="none") for m in (0, 0.3, 0.6)]
    )
    assert (losses.diff(dim=0) >= 0).all()


def test_adaface_is_arcface_cosface_and_neither(target_logit):
    """As ẑ is −1, 0 and 1."""
    m = 0.4
    poor, usual, good = (
        partial(adaface_loss, s=1.0, m=m, h=1.0, norm_mean=mean, norm_std=1.0)
        for mean in (2.0, 1.0, 0.0)
    )
    inside = ANGLES[ANGLES < math.pi - m]
    for loss, expected in (
        (poor, (inside + m).cos()),
        (usual, inside.cos() - m),
        (good, (inside - m).clamp(min=0).cos() - 2 * m),
    ):
        torch.testing.assert_close(target_logit(loss, inside), expected)


@every_loss
def test_turning_everything_changes_nothing(loss, batch, generator):
    x, centers, labels = batch
    turn, _ = torch.linalg.qr(
        torch.randn(5, 5, generator=generator, dtype=torch.float64)
    )
    expected = loss(*batch, reduction="none")
    actual = loss(x @ turn, centers @ turn, labels, reduction="none")
    torch.testing.assert_close(actual, expected)


@every_loss
def test_the_length_of_a_centre_does_not_count(loss, batch):
    x, centers, labels = batch
    factor = torch.linspace(0.1, 9, 7, dtype=torch.float64)[:, None]
    torch.testing.assert_close(loss(x, factor * centers, labels), loss(*batch))


def test_the_longer_the_more_a_sphereface_embedding_pays_if_wrong(batch):
    x, centers, labels = batch
    once, twice = (
        sphereface_loss(c * x, centers, labels, reduction="none")
        for c in (1, 2)
    )
    wrong = once > math.log(7)
    assert wrong.any() and (twice > once)[wrong].all()


@pytest.mark.parametrize("m", [0.0, 0.35, 1.0])
def test_cosface_has_the_bound_of_its_docstring(m, at_angles):
    worst = cosface_loss(*at_angles(ANGLES[-1:]), m=m)
    bound = math.log(2) + 64 * (2 + m)
    assert bound - math.log(2) - 1e-9 <= worst.item() <= bound


# Modules


@every_module
def test_a_module_starts_with_directions_and_trains_them(module):
    torch.manual_seed(0)
    criterion = module(6, 9)
    norms = criterion.centers.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(9))
    criterion(torch.randn(4, 6), torch.tensor([0, 1, 2, 8])).backward()
    assert criterion.centers.grad.any()


@every_module
def test_a_module_is_captured_by_compile(module):
    torch.manual_seed(0)
    criterion = module(6, 9)
    twin = copy.deepcopy(criterion)
    arguments = torch.randn(4, 6), torch.tensor([0, 1, 2, 8])
    torch.compiler.reset()
    compiled = torch.compile(criterion, fullgraph=True, backend="aot_eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(*arguments), twin(*arguments))
    torch.testing.assert_close(criterion.state_dict(), twin.state_dict())


@every_module
def test_a_module_refuses_no_classes_and_other_embeddings(module):
    with pytest.raises(ValueError, match=r"^classes: .* of at least 1, got 0"):
        module(6, 0)
    with pytest.raises(ValueError, match=r"^centers: .*\(K, 5\), got \(9, 6"):
        module(6, 9)(torch.ones(4, 5), torch.zeros(4, dtype=torch.long))


@every_module
def test_a_module_names_the_options_it_knows(module):
    with pytest.raises(
        TypeError, match=r"^margin: expected a keyword argument of .* 'margin"
    ):
        module(6, 9, margin=0.5)


def test_the_schedule_of_sphereface_is_an_attribute(batch):
    x, centers, labels = batch
    criterion = SphereFace(5, 7, blend=1000.0).double()
    criterion.centers.data = centers
    for blend in (1000.0, 5.0, 0.0):
        criterion.blend = blend
        expected = sphereface_loss(*batch, blend=blend)
        torch.testing.assert_close(criterion(x, labels), expected)


def lengths(*values):
    return F.pad(torch.tensor(values)[:, None], (0, 1))


def moments(criterion):
    return [criterion.norm_mean.item(), criterion.norm_std.item()]


def test_the_first_batch_of_adaface_sets_the_averages():
    criterion, labels = AdaFace(2, 3), torch.tensor([0, 1])
    criterion(lengths(4.0, 6.0), labels)
    assert moments(criterion) == pytest.approx([5, 2**0.5])
    criterion(lengths(14.0, 16.0), labels)
    assert moments(criterion) == pytest.approx([5.1, 2**0.5])


def test_adaface_starts_where_its_authors_do_if_asked():
    """They begin at 20 and 100, and move before they use."""
    x, labels = lengths(4.0, 6.0), torch.tensor([0, 1])
    criterion = AdaFace(2, 3, norm_mean=20.0, norm_std=100.0)
    value = criterion(x, labels)
    mean, std = 20 - 0.01 * 15, 100 + 0.01 * (2**0.5 - 100)
    assert moments(criterion) == pytest.approx([mean, std])
    expected = adaface_loss(
        x, criterion.centers, labels, norm_mean=mean, norm_std=std
    )
    torch.testing.assert_close(value, expected)


def test_adaface_s_averages_rest_in_evaluation_and_before_one_sample():
    criterion = AdaFace(2, 3)
    criterion(lengths(4.0), torch.tensor([0]))
    assert criterion.norm_mean.isnan()
    criterion.eval()
    x, labels = lengths(4.0, 6.0), torch.tensor([0, 1])
    torch.testing.assert_close(
        criterion(x, labels), adaface_loss(x, criterion.centers, labels)
    )
    assert criterion.norm_mean.isnan()
    criterion.train()(x, labels)
    known = moments(criterion)
    criterion.eval()(lengths(40.0, 60.0), labels)
    criterion.train()(lengths(4.0), labels[:1])
    criterion(lengths(4.0)[:0], labels[:0])
    assert moments(criterion) == known


def test_adaface_s_averages_are_saved_and_restored():
    criterion, twin = AdaFace(2, 3), AdaFace(2, 3)
    x, labels = lengths(4.0, 6.0, 9.0), torch.tensor([0, 1, 2])
    criterion(x, labels)
    twin.load_state_dict(criterion.state_dict())
    torch.testing.assert_close(
        twin.eval()(x, labels), criterion.eval()(x, labels)
    )

"""The mean of the hardest: how many, which, and what it is a minimum of."""

import math

import pytest
import torch
import torch.nn.functional as F

from handbook_code import topk_cross_entropy_loss


def odds(losses):
    """Logits of two classes, the first one true, with these losses."""
    u = torch.as_tensor(losses, dtype=torch.float64).expm1().log()
    return torch.stack([torch.zeros_like(u), u], 1)


@pytest.fixture
def batch(generator):
    logits = 2 * torch.randn(10, 3, 7, generator=generator).double()
    return logits, torch.randint(3, (10, 7), generator=generator)


@pytest.mark.parametrize(
    ("n", "k", "taken"),
    [
        (10, 0.1, 1),
        (10, 0.11, 2),
        (3, 0.01, 1),  # at least one
        (7, 1.0, 7),
        (100, 0.07, 7),  # 0.07 · 100 is more than 7 in float64
        (1000, 0.029, 29),
    ],
)
def test_how_many_are_taken(n, k, taken, device):
    losses = torch.arange(1, n + 1).double() / n
    value = topk_cross_entropy_loss(odds(losses), torch.zeros(n).long(), k=k)
    torch.testing.assert_close(value, losses[-taken:].mean())


def test_the_whole_is_cross_entropy_and_the_least_the_maximum(batch, device):
    z, t = batch
    each = F.cross_entropy(z, t, reduction="none")
    for k, expected in ((1.0, each.mean()), (1e-9, each.max())):
        torch.testing.assert_close(
            topk_cross_entropy_loss(z, t, k=k), expected
        )


def test_the_slope_is_that_of_the_hardest_alone(batch, device):
    z, t = batch
    each = F.cross_entropy(z, t, reduction="none")
    hard = each >= each.flatten().topk(14).values[-1]
    z.requires_grad_()
    (slope,) = torch.autograd.grad(topk_cross_entropy_loss(z, t, k=0.2), z)
    (whole,) = torch.autograd.grad(F.cross_entropy(z, t, reduction="sum"), z)
    torch.testing.assert_close(slope, whole * hard[:, None] / 14)


def test_what_is_ignored_is_not_counted(batch, device):
    """Half of ten samples is five, but of the six that count three."""
    z, t = batch[0][..., 0], batch[1][:, 0]
    expected = topk_cross_entropy_loss(z[:6], t[:6], k=0.5)
    z, t = z.clone(), t.clone()
    z[6:], t[6:] = 1e3 * torch.eye(3)[0].to(z), 255
    value = topk_cross_entropy_loss(z, t, k=0.5, ignore_index=255)
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("k", [0.1, 0.2, 0.5, 0.9])
def test_it_is_the_least_of_a_level_and_what_exceeds_it(k, device):
    """min over c of c + mean (ℓ − c)₊ / k, where k n is whole."""
    losses = torch.linspace(0.1, 3, 10).double() ** 2
    value = topk_cross_entropy_loss(odds(losses), torch.zeros(10).long(), k=k)
    level = torch.cat([losses, torch.linspace(0, 9, 50).double()])[:, None]
    bounds = level[:, 0] + (losses - level).relu().mean(1) / k
    torch.testing.assert_close(bounds.min(), value)


def test_where_k_n_is_not_whole_the_level_counts_in_part(device):
    """The minimum is then above our mean of ⌈k n⌉, unless they are equal."""
    losses = torch.tensor([3.0, 2.0, 1.0]).double()
    value = topk_cross_entropy_loss(odds(losses), torch.zeros(3).long(), k=0.5)
    bounds = losses + (losses - losses[:, None]).relu().mean(1) / 0.5
    assert math.isclose(value, 2.5) and math.isclose(bounds.min(), 8 / 3)


def test_a_fraction_is_a_threshold_that_moves(batch, device):
    """Wu's form takes p < t: the same samples, if t is the right quantile."""
    z, t = batch
    each = F.cross_entropy(z, t, reduction="none").flatten()
    threshold = torch.exp(-each).sort().values[14]
    wu = each[torch.exp(-each) < threshold].mean()
    torch.testing.assert_close(topk_cross_entropy_loss(z, t, k=0.2), wu)


def test_soft_targets_are_taken_as_distributions(batch, device):
    z, t = batch
    q = torch.full_like(z, 0.1) + 0.7 * F.one_hot(t, 3).movedim(-1, 1)
    each = F.cross_entropy(z, q, reduction="none").flatten()
    torch.testing.assert_close(
        topk_cross_entropy_loss(z, q, k=0.1), each.topk(7).values.mean()
    )

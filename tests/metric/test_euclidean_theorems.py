"""Losses of distances: the theorems they rest on."""

import math
from functools import partial
from itertools import product

import pytest
import torch

from handbook_code import contrastive_loss, info_nce_loss, triplet_loss


def slopes(function, *tensors):
    tensors = [t.detach().requires_grad_() for t in tensors]
    return torch.autograd.grad(function(*tensors).sum(), tensors)


def test_a_pair_pulls_with_equal_and_opposite_forces(rows, same):
    first, second = slopes(
        lambda a, b: contrastive_loss(a, b, same, margin=3), *rows[:2]
    )
    torch.testing.assert_close(first, -second)


def test_alike_pairs_are_springs_and_others_springs_at_rest_at_m(rows, same):
    x1, x2, _ = rows
    apart = x1 - x2
    length = apart.norm(dim=-1, keepdim=True)
    (pull,) = slopes(
        lambda a: contrastive_loss(a, x2, same, margin=3, reduction="sum"), x1
    )
    push = -(3 - length).relu() * apart / length
    torch.testing.assert_close(pull, torch.where(same[:, None], apart, push))


def test_the_margin_is_in_the_unit_of_the_embeddings(rows, same):
    once = contrastive_loss(*rows[:2], same, margin=2)
    scaled = contrastive_loss(*(10 * rows[:2]), same, margin=20)
    torch.testing.assert_close(scaled, 100 * once)
    plain = partial(triplet_loss, squared=False)
    torch.testing.assert_close(
        plain(*(10 * rows), margin=20), 10 * plain(*rows, margin=2)
    )
    torch.testing.assert_close(
        triplet_loss(*(10 * rows), margin=200),
        100 * triplet_loss(*rows, margin=2),
    )


@pytest.mark.parametrize("squared", [True, False])
def test_a_triplet_is_free_exactly_if_the_margin_is_kept(squared, rows):
    a, p, n = rows
    near, far = (a - p).norm(dim=-1), (a - n).norm(dim=-1)
    gap = far**2 - near**2 if squared else far - near
    each = triplet_loss(a, p, n, squared=squared, reduction="none")
    assert torch.equal(each == 0, gap >= 0.2)
    assert (each == 0).any() and (each > 0).any()


def test_the_three_forces_of_a_triplet_balance(rows):
    """2(n − p), 2(p − a), 2(a − n), while the margin is not kept."""
    a, p, n = rows
    each = triplet_loss(a, p, n, margin=1.0, reduction="none")
    pull = slopes(partial(triplet_loss, margin=1.0, reduction="sum"), *rows)
    active = (each > 0)[:, None]
    for actual, expected in zip(pull, (n - p, p - a, a - n), strict=True):
        torch.testing.assert_close(actual, 2 * active * expected)
    torch.testing.assert_close(sum(pull), torch.zeros_like(a))


def test_near_collapse_squared_forces_vanish_and_plain_ones_do_not(rows):
    """As FaceNet reports of the hardest negatives: f(x) = 0 is a trap."""
    tiny = 1e-6 * rows
    squared, *_ = slopes(partial(triplet_loss, reduction="sum"), *tiny)
    plain, *_ = slopes(
        partial(triplet_loss, squared=False, reduction="sum"), *tiny
    )
    assert squared.abs().max() < 1e-4
    assert plain.abs().max() > 0.1
    assert triplet_loss(*tiny).item() == pytest.approx(0.2)


def test_on_unit_vectors_the_squared_distance_is_the_cosine(rows):
    unit = torch.nn.functional.normalize(rows, dim=-1)
    a, p, n = unit
    cosines = [(a * x).sum(-1) for x in (p, n)]
    expected = (2 * (cosines[1] - cosines[0]) + 0.2).relu()
    torch.testing.assert_close(
        triplet_loss(a, p, n, reduction="none"), expected
    )


@pytest.mark.parametrize("size", [2, 8, 64])
def test_who_cannot_tell_pays_log_n(size):
    alike = torch.ones(size, 3)
    assert info_nce_loss(alike, alike).item() == pytest.approx(math.log(size))
    others = info_nce_loss(alike, alike, alike[1:])
    assert others.item() == pytest.approx(math.log(size))


def test_each_candidate_pulls_with_the_probability_of_being_taken(rows):
    """The gradient in the scores is softmax minus the truth, over τ."""
    query, positive, negatives = rows
    options = {"temperature": 0.5, "normalize": False, "reduction": "sum"}
    _, in_positive, in_negatives = slopes(
        partial(info_nce_loss, **options), query, positive, negatives
    )
    own = (query * positive).sum(-1, keepdim=True)
    taken = torch.softmax(
        torch.cat([own, query @ negatives.T], dim=1) / 0.5, dim=1
    )
    torch.testing.assert_close(in_positive, (taken[:, :1] - 1) * query / 0.5)
    torch.testing.assert_close(in_negatives, taken[:, 1:].T @ query / 0.5)


def test_with_one_negative_it_is_softplus_of_the_gap(rows):
    query, positive, negatives = rows
    one = negatives[:1]
    gap = (query * (one - positive)).sum(-1)
    torch.testing.assert_close(
        info_nce_loss(
            query, positive, one, temperature=0.3, normalize=False,
            reduction="none",
        ),
        torch.nn.functional.softplus(gap / 0.3),
    )  # fmt: skip


def test_cold_info_nce_is_a_triplet_loss_of_the_hardest_negative(rows):
    """τ L → max(0, hardest − own), half a squared triplet loss without m."""
    q, x, others = torch.nn.functional.normalize(rows, dim=-1)
    cold = 1e-5
    each = info_nce_loss(q, x, others, temperature=cold, reduction="none")
    hardest = others[(q @ others.T).argmax(dim=1)]
    triplet = triplet_loss(q, x, hardest, margin=0.0, reduction="none")
    torch.testing.assert_close(cold * each, triplet / 2, atol=1e-4, rtol=0)


def test_warm_info_nce_weighs_all_negatives_alike(rows):
    query, positive, negatives = rows
    warm = 1e5
    (pull,) = slopes(
        lambda x: info_nce_loss(
            query, positive, x, temperature=warm, normalize=False
        ),
        negatives,
    )
    expected = query.mean(0) / warm / 41
    torch.testing.assert_close(
        pull, expected.expand(40, 5), rtol=1e-3, atol=1e-12
    )


def test_a_longer_line_up_never_costs_less(rows):
    costs = [
        info_nce_loss(*rows[:2], rows[2][:k], reduction="none")
        for k in range(40)
    ]
    assert (torch.stack(costs).diff(dim=0) >= -1e-12).all()


def test_it_depends_on_who_asks(rows):
    assert not torch.allclose(
        info_nce_loss(*rows[:2]), info_nce_loss(*rows[[1, 0]])
    )


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("trial", range(5))
def test_log_n_minus_the_loss_never_exceeds_the_information(size, trial):
    """Exactly, over all line-ups of a joint table; the best critic is p/pp."""
    generator = torch.Generator().manual_seed(trial)
    joint = torch.rand(3, 3, generator=generator).double() ** 3
    joint /= joint.sum()
    asked, found = joint.sum(1), joint.sum(0)
    ratio = (joint / asked[:, None] / found).log()
    information = (joint * ratio).sum()

    def certified(critic):
        total = 0.0
        for a, b, *others in product(range(3), repeat=size + 1):
            chance = joint[a, b] * found[others].prod()
            # Scores as inner products with unit rows of the critic.
            loss = info_nce_loss(
                critic[a][None], torch.eye(3)[[b]].double(),
                torch.eye(3)[others].double(), temperature=1.0,
                normalize=False,
            )  # fmt: skip
            total += chance * loss
        return math.log(size) - total

    best = certified(ratio)
    assert best <= min(information, math.log(size))
    other = torch.randn(3, 3, generator=generator).double()
    assert certified(other) <= best
    assert certified(ratio + other[:, :1]) == pytest.approx(best.item())


# What the catalogue's suite tries of each loss, for what its entry leaves out

VARIANTS = pytest.mark.parametrize(
    "loss",
    [
        partial(info_nce_loss, temperature=0.5),
        partial(info_nce_loss, temperature=0.5, normalize=False),
        partial(triplet_loss, margin=2.0, squared=False),
        lambda q, p, _: info_nce_loss(q, p, temperature=0.5, symmetric=True),
    ],
    ids=["negatives", "inner product", "not squared", "symmetric"],
)


@VARIANTS
def test_derivatives_forward_backward_and_twice(loss, rows):
    few = [r[:3].detach().requires_grad_() for r in rows]
    assert torch.autograd.gradcheck(
        loss, few, check_forward_ad=True, check_batched_grad=True
    )
    assert torch.autograd.gradgradcheck(loss, few)


@VARIANTS
def test_compiled_vectorised_and_in_other_precisions(loss, device, rows):
    torch.compiler.reset()
    whole = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(whole(*rows), loss(*rows))
    torch.testing.assert_close(
        torch.vmap(loss)(*(r.view(4, 10, 5) for r in rows)),
        torch.stack([loss(*(r[i : i + 10] for r in rows))
                     for i in range(0, 40, 10)]),
    )  # fmt: skip
    with torch.autocast(device.type, dtype=torch.bfloat16):
        torch.testing.assert_close(
            loss(*rows.float()), loss(*rows).float(), check_dtype=True
        )
    for dtype in (torch.float16, torch.bfloat16):
        narrow = rows.to(dtype)
        assert loss(*narrow).dtype == dtype
        torch.testing.assert_close(
            loss(*narrow), loss(*narrow.double()).to(dtype)
        )


@VARIANTS
def test_an_empty_batch_costs_a_differentiable_nothing(loss, rows):
    value = loss(*(r[:0] for r in rows))
    (slope,) = slopes(
        lambda q: loss(q, *(r[:0] for r in rows[1:])), rows[0, :0]
    )
    assert value == 0 and slope.shape == (0, 5)

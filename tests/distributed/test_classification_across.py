"""Losses of classes and pixels over several processes."""

import re
from itertools import product

import pytest
import torch
import torch.distributed as dist

from handbook_code import (
    GHM,
    _across,
    asymmetric_similarity_loss,
    dice_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    ghm_loss,
    ghm_regression_loss,
    jaccard_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    penalty_dice_loss,
    sensitivity_specificity_loss,
    tversky_loss,
)
from split import WAYS, N, compare, largest

REDUCTIONS = ("mean", "sum", "none")
OVERLAPS = (
    (dice_loss, {}),
    (dice_loss, {"squared": True, "per_class": False}),
    (jaccard_loss, {"smooth": 1.0}),
    (tversky_loss, {"alpha": 0.3, "beta": 0.7}),
    (focal_tversky_loss, {"gamma": 2.0}),
    (sensitivity_specificity_loss, {}),
    (sensitivity_specificity_loss, {"per_class": False}),
    (generalized_dice_loss, {}),
    (asymmetric_similarity_loss, {}),
    (penalty_dice_loss, {}),
)


def random(*shape, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64)


def images(size=(3, 4), classes=5, seed=0):
    """Probabilities, and classes of which the last is never true."""
    logits = random(N, classes, *size, seed=seed)
    g = torch.Generator().manual_seed(seed)
    target = torch.randint(classes - 1, (N, *size), generator=g)
    target[2:] = target[2:].clamp(max=classes - 3)  # one is on few images
    return logits.softmax(1).requires_grad_(), target


def gap(loss, tensors, cut, per_image=False, **keywords):
    """With the values of classes, if there are several, in one sum."""

    def one(**given):
        if per_image:
            given["per_image"] = True
        value = loss(**given, **keywords)
        if value.dim() > per_image:
            value = (value * torch.arange(1, value.shape[-1] + 1)).sum(-1)
        return value

    return compare(one, tensors, dict.fromkeys(tensors, cut))


def overlaps(size):
    probs, target = images()
    assert not (target == 4).any()
    return max(
        gap(
            loss,
            {"probs": probs, "target": target},
            cut,
            reduction=reduction,
            per_image=per_image,
            **keywords,
        )
        for (loss, keywords), cut, reduction, per_image in product(
            OVERLAPS, WAYS[size], REDUCTIONS, (False, True)
        )
    )


def masks_of_one_channel(size):
    probs = random(N, 1, 6, seed=3).sigmoid().requires_grad_()
    mask = (random(N, 6, seed=4) > 0.3).double()
    return max(
        gap(loss, {"probs": probs, "target": mask}, cut)
        for loss, cut in product(
            (dice_loss, generalized_dice_loss, lovasz_softmax_loss),
            WAYS[size],
        )
    )


def in_one_pass(size):
    """Large enough for the pass over blocks, but on one rank."""
    probs, target = images((70, 60))
    return max(
        gap(loss, {"probs": probs, "target": target}, cut)
        for loss, cut in product((dice_loss, lovasz_softmax_loss), WAYS[size])
    )


def lovasz(size):
    """Also where many errors are equal: some between ranks, some within."""
    probs, target = images()
    coarse = ((4 * probs.detach()).round() / 4).requires_grad_()
    return max(
        gap(
            lovasz_softmax_loss,
            {"probs": p, "target": target},
            cut,
            reduction=reduction,
            per_image=per_image,
        )
        for p, cut, reduction, per_image in product(
            (probs, coarse), WAYS[size], REDUCTIONS, (False, True)
        )
    )


def lovasz_hinge(size):
    logits = 2 * random(N, 3, 4, seed=5)
    mask = random(N, 3, 4, seed=6) > 0.8
    return max(
        gap(
            lovasz_hinge_loss,
            {"logits": z.requires_grad_(), "target": t},
            cut,
            reduction=reduction,
            per_image=per_image,
        )
        for z, t, cut, reduction, per_image in product(
            (logits.clone(), logits.round()),
            (mask, mask & False, mask | True),
            WAYS[size],
            REDUCTIONS,
            (False, True),
        )
    )


def densities(size):
    z = random(N, 7, seed=7).requires_grad_()
    y = (random(N, 7, seed=8) > 0).double()
    mask = random(N, 7, seed=9) > -1
    gaps = []
    for cut, counts in product(WAYS[size], ({}, {"mask": mask})):
        labels = {"logits": z, "target": y} | counts
        gaps.append(gap(ghm_loss, labels, cut, bins=5))
        numbers = {"input": z, "target": y} | counts
        gaps.append(gap(ghm_regression_loss, numbers, cut, mu=0.5))
    return max(gaps)


def a_moving_density(size):
    """Three batches, then one in evaluation."""
    alone, together = GHM(bins=5).double(), GHM(bins=5).double()
    gaps = []
    for step, cut in enumerate([*WAYS[size][:3], WAYS[size][0]]):
        if step == 3:
            alone.eval(), together.eval()
        z = random(N, seed=step).requires_grad_()
        y = (random(N, seed=9 + step) > 0).double()

        def loss(logits, target, group=None):
            module = alone if group is None else together
            return module(logits, target, group=group)

        gaps.append(gap(loss, {"logits": z, "target": y}, cut))
        known = (alone.histogram - together.histogram).abs().max()
        gaps.append(known.item())
    return max(gaps)


TRUTHS = (
    overlaps,
    masks_of_one_channel,
    in_one_pass,
    lovasz,
    lovasz_hinge,
    densities,
    a_moving_density,
)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.__name__)
def test_value_and_gradient_are_those_of_one_process(everywhere, truth):
    assert largest(everywhere(truth, everywhere.size)) < 1e-12


def traffic():
    """What this rank sends, forward and backward, and the formulas."""
    rank, size = dist.get_rank(), dist.get_world_size()
    rows = [4 + source for source in range(size)]
    probs, target = (
        x.repeat(2, 1, *[1] * (x.dim() - 2))[: rows[rank]].detach()
        for x in (images()[0], images()[1])
    )
    probs.requires_grad_()
    z, y = probs[:, 0], target % 2
    elsewhere = sum(rows) - rows[(rank + 1) % size]
    each = 5 * 12 * 8  # classes, pixels, bytes
    found, right = [], []
    for loss, tensors, reduced, ring in (
        (dice_loss, (probs, target), 2 * 3 * 5 * 8, 0),
        (ghm_loss, (z, y), 10 * 8 + 2 * 8, 0),
        (lovasz_softmax_loss, (probs, target), 2 * 5 * 8, elsewhere * each),
        (lovasz_hinge_loss, (z, y), 2 * 8, elsewhere * each // 5),
    ):
        _across.sent.clear()
        loss(*tensors, group=dist.group.WORLD).backward()
        found.append([_across.sent[way] for way in ("reduced", "ring")])
        right.append([reduced, ring])
    return found == right or found


def test_what_is_sent_is_what_the_page_says(everywhere):
    assert everywhere(traffic) == [True] * everywhere.size


def of_half_precision():
    """Rounded once, after the mean over all images."""
    probs, target = images()
    probs = probs.detach().half()
    own = slice(6) if dist.get_rank() == 0 else slice(6, None)
    gaps = []
    for per_image in (False, True):
        value = dice_loss(
            probs[own],
            target[own],
            per_image=per_image,
            group=dist.group.WORLD,
        )
        right = dice_loss(probs, target, per_image=per_image)
        assert value.dtype == torch.half
        gaps.append((value - right).abs().item())
    return max(gaps)


def test_half_precision(both):
    assert largest(both(of_half_precision)) == 0


def another_size():
    probs, target = images((2, 2 + dist.get_rank()))
    lovasz_softmax_loss(probs, target, group=dist.group.WORLD)


def a_bad_target():
    probs, target = images()
    if dist.get_rank():
        target = target[1:]
    dice_loss(probs, target, group=dist.group.WORLD)


def no_bins():
    z = torch.zeros(3)
    ghm_loss(z, z, bins=10 * (1 - dist.get_rank()), group=dist.group.WORLD)


def another_reduction():
    reduction = ("mean", "meen")[dist.get_rank()]
    z = torch.zeros(3, 2)
    lovasz_hinge_loss(z, z, reduction=reduction, group=dist.group.WORLD)


def another_momentum():
    z = torch.zeros(3)
    GHM(momentum=0.5 * dist.get_rank())(z, z, group=dist.group.WORLD)


def images_of_one():
    probs, target = images()
    per_image = dist.get_rank() == 0
    dice_loss(probs, target, per_image=per_image, group=dist.group.WORLD)


def nothing():
    probs, target = images()
    probs = probs[:0].detach().requires_grad_()
    for loss in (dice_loss, lovasz_softmax_loss, penalty_dice_loss):
        for per_image in (False, True):
            value = loss(
                probs,
                target[:0],
                per_image=per_image,
                group=dist.group.WORLD,
            )
            value.backward()
            assert value == 0
    ghm_loss(probs, probs.detach(), group=dist.group.WORLD).backward()
    return probs.grad.numel()


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (another_size, ValueError, r"probs: .*\(\*, 5, 2, 2\) .* on rank 1"),
        (a_bad_target, ValueError, "target: expected a mask per class"),
        (no_bins, ValueError, "bins: expected a whole number of at least 1"),
        (another_reduction, ValueError, "reduction: expected 'none', 'mean'"),
        (another_momentum, ValueError, "self: expected GHM.*momentum=0.0"),
        (images_of_one, ValueError, "per_image: expected True as on rank 0"),
    ],
)
def test_bad_input_on_one_rank_is_an_error_on_all(both, work, kind, message):
    for answer in both(work):
        assert type(answer) is kind, answer
        assert re.search(message, str(answer)), answer
    assert both(nothing) == [0, 0]  # and nobody still waits

"""Losses of classes and pixels over several processes."""

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
from split import WAYS, N, compare, largest, part

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

"""Angular losses with the centers of the classes on several processes."""

from itertools import product

import torch
import torch.distributed as dist

from handbook_code import (
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)
from split import WAYS, N, compare, largest

LOSSES = (
    (sphereface_loss, {"m": 3, "blend": 0.5}),
    (cosface_loss, {"s": 5.0}),
    (arcface_loss, {"s": 5.0, "m": 1.0}),
    (adaface_loss, {"s": 5.0}),
    (adaface_loss, {"s": 5.0, "norm_mean": 2.0, "norm_std": 0.5}),
)


def rows(n, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=g, dtype=torch.float64)
    return x.requires_grad_()


def gaps(size):
    labels = torch.tensor([0, 1, 2, 0, 1, 0, 3, 1, 2, 12, 9, 1, 0])
    return max(
        compare(
            loss,
            {
                "embeddings": rows(N, 0),
                "centers": rows(N, 1),
                "labels": labels,
            },
            {"embeddings": cut, "centers": classes, "labels": cut},
            shards=("centers",),
            reduction=reduction,
            **keywords,
        )
        for (loss, keywords), (cut, classes), reduction in product(
            LOSSES,
            zip(WAYS[size], WAYS[size][::-1], strict=True),
            ("mean", "none"),
        )
    )


def unknown_class():
    labels = torch.tensor([0, 5 + dist.get_rank()])
    arcface_loss(rows(2, 0), rows(3, 1), labels, group=dist.group.WORLD)


def test_values_and_gradients(everywhere):
    assert largest(everywhere(gaps, everywhere.size)) < 1e-12


def test_a_label_without_a_center_is_an_error_on_all(both):
    for answer in both(unknown_class):
        assert str(answer) == (
            "labels: expected classes from 0 to 5, got 6 on rank 1"
        )

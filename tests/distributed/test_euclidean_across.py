"""Losses of pairs over several processes."""

from itertools import product

import torch

from handbook_code import info_nce_loss
from split import WAYS, N, compare

REDUCTIONS = ("mean", "sum", "none")


def rows(n, seed, width=5):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=g, dtype=torch.float64)
    return x.requires_grad_()


def in_batch(size):
    """The largest gap over cuts of the batch and keywords."""
    return max(
        compare(
            info_nce_loss,
            {"query": rows(N, 0), "positive": rows(N, 1)},
            {"query": cut, "positive": cut},
            reduction=reduction,
            normalize=normalize,
            temperature=0.3,
        )
        for cut, reduction, normalize in product(
            WAYS[size], REDUCTIONS, (True, False)
        )
    )


def with_negatives(size):
    tensors = {"query": rows(N, 0), "positive": rows(N, 1)}
    return max(
        compare(
            info_nce_loss,
            tensors | {"negatives": rows(N, 2)},
            {"query": cut, "positive": cut, "negatives": others},
            reduction=reduction,
        )
        for cut, others, reduction in product(
            WAYS[size], WAYS[size], REDUCTIONS
        )
    )


def test_info_nce_in_the_batch(everywhere):
    assert max(everywhere(in_batch, everywhere.size)) < 1e-12


def test_info_nce_with_negatives(everywhere):
    assert max(everywhere(with_negatives, everywhere.size)) < 1e-12

"""Losses of pairs over several processes."""

from itertools import product

import torch

from handbook_code import batch_hard_triplet_loss, info_nce_loss
from split import WAYS, N, compare, largest

REDUCTIONS = ("mean", "sum", "none")


def rows(n, seed, width=5, scale=1.0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=g, dtype=torch.float64)
    return (scale * x).requires_grad_()


def in_batch(size):
    """The largest gap over cuts of the batch and keywords."""
    return max(
        compare(
            info_nce_loss,
            {"query": rows(N, 0), "positive": rows(N, 1)},
            {"query": cut, "positive": cut},
            reduction=reduction,
            normalize=normalize,
            symmetric=symmetric,
            temperature=0.3,
        )
        for cut, reduction, (normalize, symmetric) in product(
            WAYS[size], REDUCTIONS, [(True, True), (True, False), (False, 0)]
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


def batch_hard(size):
    labels = torch.tensor([0, 1, 2, 0, 1, 0, 3, 1, 2, 2, 0, 1, 0])
    return max(
        compare(
            batch_hard_triplet_loss,
            {"embeddings": rows(N, 0, scale=0.5), "labels": labels},
            {"embeddings": cut, "labels": cut},
            reduction=reduction,
            margin=margin,
            squared=squared,
        )
        for cut, reduction, (margin, squared) in product(
            WAYS[size], REDUCTIONS, [(0.5, True), (9.0, False), (None, True)]
        )
    )


def test_batch_hard_triplets(everywhere):
    assert largest(everywhere(batch_hard, everywhere.size)) < 1e-12


def test_info_nce_in_the_batch(everywhere):
    assert largest(everywhere(in_batch, everywhere.size)) < 1e-12


def test_info_nce_with_negatives(everywhere):
    assert largest(everywhere(with_negatives, everywhere.size)) < 1e-12

"""Embeddings as arguments: rows of D numbers."""

from torch import Tensor

from handbook_code._checks import (
    check_floating,
    check_pair,
    check_same_device,
)


def check_rows(**tensors: Tensor) -> None:
    check_pair(**tensors)
    name, first = next(iter(tensors.items()))
    if first.dim() != 2:
        raise ValueError(
            f"{name}: expected one embedding a row, (N, D), "
            f"got {tuple(first.shape)}"
        )


def check_candidates(
    negatives: Tensor, query: Tensor, symmetric: bool
) -> None:
    check_floating(negatives=negatives)
    check_same_device(query=query, negatives=negatives)
    if negatives.dim() != 2 or negatives.shape[1] != query.shape[1]:
        raise ValueError(
            f"negatives: expected rows like those of query, "
            f"(M, {query.shape[1]}), got {tuple(negatives.shape)}"
        )
    if symmetric:
        raise ValueError(
            "negatives: expected None where symmetric, "
            f"got {tuple(negatives.shape)}"
        )

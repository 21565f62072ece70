"""No loss waits for a graphics card: none reads a value back on the way.

A processor passes for a card, so that the roads of cards are taken.
"""

import pytest
import torch

from handbook_code import _fused, formulas_only
from handbook_code.catalogue import CATALOGUE
from pretending import Card

# What waits nevertheless, by file and operation, and why it may.
ONE_NUMBER = "one number that the caller gave, copied to the card"
WEIGHTS = "some weights that the caller or the paper gave, copied to the card"
KNOWN = {
    ("new_tensor", "image/_windows.py"): WEIGHTS,
    ("new_tensor", "image/_fast_similarity.py"): WEIGHTS,
    ("new_tensor", "generative/_fast_transport.py"): ONE_NUMBER,
    (
        "_local_scalar_dense",
        "generative/_fast_transport.py",
    ): "whether an exponential left its range, asked once after all rounds",
    ("as_tensor", "regression/pointwise.py"): ONE_NUMBER,
    ("as_tensor", "regression/_fast_pointwise.py"): ONE_NUMBER,
    ("new_tensor", "classification/probabilistic.py"): ONE_NUMBER,
}

losses = pytest.mark.parametrize(
    "loss", CATALOGUE, ids=[loss.name for loss in CATALOGUE]
)


@pytest.fixture(autouse=True)
def as_on_a_card(monkeypatch):
    """Backward has no device to pretend; there it asks a processor alone."""
    monkeypatch.setattr(_fused, "_is_one", lambda pull: False)
    for loss in CATALOGUE:
        if hasattr(loss.function, "one_pass"):
            monkeypatch.setattr(loss.function, "least", 0)


@losses
@pytest.mark.parametrize("by_formula", [True, False], ids=["formula", "ours"])
def test_nothing_is_read_back(loss, by_formula):
    generator = torch.Generator().manual_seed(0)
    if by_formula:
        if not hasattr(loss.function, "one_pass"):
            pytest.skip("it has one road")
        function = formulas_only()(loss.function)
    else:
        function = loss.function
    given, keywords = loss.split(*loss.call(20, generator))
    options = loss.preset | loss.options(generator) | keywords
    first = given[0]
    if isinstance(first, torch.Tensor) and first.is_floating_point():
        first.requires_grad_()
    with Card() as card:
        value = function(*given, **options)
        if value.requires_grad:
            value.sum().backward()
    assert card.waits <= KNOWN.keys(), card.waits - KNOWN.keys()


def test_a_wait_is_seen():
    x = torch.ones(3)
    seen = []
    for ask in (
        lambda: x.sum().item(),
        lambda: bool(x[0] > 0),
        lambda: x[x > 0],
        lambda: x.nonzero(),
        lambda: x.new_tensor([1.0]),
        lambda: torch.tensor(1.0, device=x.device),
        lambda: x.cpu(),
        lambda: x.tolist(),
    ):
        with Card() as card:
            ask()
        seen.append(len(card.waits))
    assert min(seen) >= 1

    with Card() as card:
        torch.ones(3, device=x.device).add_(x).sum()
    assert not card.waits

"""At which scale a chapter runs."""

import pytest
import torch

from handbook_code import show


def test_the_book_is_built_at_its_own_scale(monkeypatch):
    monkeypatch.delenv("HANDBOOK_SCALE", raising=False)
    assert show.scale(300, full=20_000) == 300
    assert show.device() == torch.device("cpu")


def test_full_scale_is_asked_for_by_one_variable(monkeypatch):
    monkeypatch.setenv("HANDBOOK_SCALE", "full")
    assert show.scale(300, full=20_000) == 20_000
    card = "cuda" if torch.cuda.is_available() else "cpu"
    assert show.device() == torch.device(card)


def test_an_unknown_scale_is_refused(monkeypatch):
    monkeypatch.setenv("HANDBOOK_SCALE", "huge")
    with pytest.raises(ValueError, match="HANDBOOK_SCALE: expected book or"):
        show.scale(1, 2)

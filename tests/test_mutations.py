"""The list of mistakes to plant keeps up with the files."""

import tomllib

import pytest

from mutate import MISTAKES, ROOT

LISTED = tomllib.loads(MISTAKES.read_text("utf8"))["mistake"]


@pytest.mark.parametrize("mistake", LISTED, ids=lambda m: m["name"])
def test_a_mistake_can_still_be_planted(mistake):
    assert mistake["old"] in (ROOT / mistake["file"]).read_text("utf8")
    assert mistake["old"] != mistake["new"]

"""A card stands in every section of a loss; questions lead to what fits."""

import json
import re

import pytest

import cards
import chooser
from chapters import BOOK, ROOT
from handbook_code.catalogue import CATALOGUE

LOSSES = cards.losses()
TREE = re.search(
    r"^```\{decision-tree\}\n([\s\S]*?)\n```$",
    (BOOK / "choose.md").read_text("utf8"),
    re.M,
).group(1)
LEAVES = [line.strip() for line in TREE.splitlines() if "→" in line]

# The tasks that a branch of the tree stands for.
BRANCHES = {
    "A number": {"numbers", "intervals"},
    "A box": {"boxes"},
    "A class": {"classes", "imbalanced classes"},
    "A mask": {"segmentation", "small objects"},
    "A vector, close to others of its kind": {"embeddings", "identities"},
    "A picture, as it was": {"restoration"},
    "Samples like the data": {"generation", "distributions"},
    "How far apart two things are": {"distributions", "perception"},
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_section_of_a_loss_gets_its_card(name):
    loss = LOSSES[name]
    page = f"book/{loss['part']}/{loss['chapter']}"
    text = (ROOT / f"{page}.md").read_text("utf8")
    source = [text]
    cards.insert(None, page, source)
    card = f"```{{reader-card}} {name}\n```\n"
    assert source[0].count(card) == 1 and card not in text
    above = source[0].partition(card)[0].rstrip().splitlines()
    assert above[-1].startswith("#") and "(" in above[-2]
    without = re.sub(r"\n```\{reader-card\} \w+\n```\n", "", source[0])
    assert without == text


def test_other_pages_stay_as_they_are():
    source = ["(huber-loss)=\n# Huber\n"]
    cards.insert(None, "book/elsewhere", source)
    assert source == ["(huber-loss)=\n# Huber\n"]


@pytest.mark.parametrize("name", LOSSES)
def test_a_card_says_all_that_readers_ask_for(name, bibliography):
    said = cards.facts(LOSSES[name])
    empty = {term for term, text in said.items() if not text}
    assert empty <= {"needs", "properties", "instead"}
    assert LOSSES[name]["reference"]["key"] in bibliography


def test_no_loss_is_forgotten():
    assert list(LOSSES) == [loss.name for loss in CATALOGUE]


@pytest.mark.parametrize("leaf", LEAVES)
def test_what_decides_is_true_of_every_loss_behind_it(leaf):
    parts = chooser.LEAF.fullmatch(leaf)
    assert parts, "case [trait] → loss, loss"
    for name in chooser.names(leaf):
        assert name in LOSSES
        if parts["trait"]:
            assert parts["trait"] in LOSSES[name]["traits"]


def test_a_branch_leads_to_losses_for_its_task():
    branch = None
    seen = set()
    for line in TREE.splitlines():
        depth = len(line) - len(line.lstrip())
        if depth == 2:
            branch = line.strip()
            seen.add(branch)
        for name in chooser.names(line) if "→" in line else ():
            assert BRANCHES[branch] & {*LOSSES[name]["tasks"]}, (line, name)
    assert seen == BRANCHES.keys()


def test_the_file_is_in_the_package():
    text = (ROOT / "pyproject.toml").read_text("utf8")
    assert '"losses.json"' in text and '["advice.toml"]' in text
    assert json.loads(cards.LOSSES.read_text("utf8")) == cards.book()

"""Every line of the sources has an entry, every entry a verdict and a cell."""

import os
import re
from collections import defaultdict
from pathlib import Path

import jupytext
import pytest

import handbook_code
import ledger
from chapters import chapters
from index_sources import index

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
CLAIMS = ledger.load()
FINISHED = sorted(
    {c.topic for c in CLAIMS if (BOOK / f"{c.topic}.md").exists()}
)
CHECK = re.compile(r"\bassert\b|assert_close|pytest\.raises")


def label(claim) -> str:
    return f"{claim.places[0].source} {claim.places[0].line}"


def test_every_line_of_the_sources_is_answered():
    said = defaultdict(set)
    for claim in CLAIMS:
        for place in claim.places:
            item = ledger.items()[place.source, place.line]
            everything = range(1, item["sentences"] + 1)
            covered = (
                everything
                if place.first is None
                else range(place.first, place.last + 1)
            )
            assert set(covered) <= set(everything), place
            if item["mark"] == "text" and item["sentences"] > 1:
                assert place.first is not None, f"{place}: which sentence?"
            said[place.source, place.line] |= set(covered)
    silent = [
        f"{source} {line}"
        for (source, line), item in ledger.items().items()
        if said[source, line] != set(range(1, item["sentences"] + 1))
    ]
    assert not silent, f"not in the ledger: {silent}"


def test_no_claim_stands_twice():
    seen = [(claim.claim, claim.places) for claim in CLAIMS]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("claim", CLAIMS, ids=label)
def test_verdict(claim):
    assert claim.verdict in ledger.VERDICTS
    assert claim.claim.strip()
    if claim.verdict in ("holds if", "false", "not decidable here"):
        assert claim.finding.strip(), "what is the condition, or the truth?"
    assert (claim.cell is not None) == (claim.verdict in ledger.DECIDED)


@pytest.mark.parametrize("topic", FINISHED)
def test_a_finished_chapter_leaves_no_claim_open(topic):
    still = [
        str(c.places[0])
        for c in CLAIMS
        if c.topic == topic and c.verdict == "open"
    ]
    assert not still


def cells_by_label() -> dict[str, tuple[str, str]]:
    """For every label of a claim, its page and the code that follows it."""
    found = {}
    for path in chapters():
        waiting: list[str] = []
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "code":
                page = path.relative_to(BOOK).with_suffix("").as_posix()
                for name in waiting:
                    found.setdefault(name, (page, cell.source))
                waiting = []
                continue
            names = re.findall(r"^\((claim-[\w-]+)\)=", cell.source, re.M)
            assert len(names) <= 1, f"{path}: one cell for each of {names}"
            assert not names or names[0] not in found, f"{names} twice"
            waiting += names
        assert not waiting, f"{path}: no cell after {waiting}"
    return found


def test_every_verdict_has_a_cell_that_could_fail():
    cells = cells_by_label()
    for claim in CLAIMS:
        if claim.cell is None:
            continue
        assert claim.cell in cells, f"{claim.cell}: no such label"
        page, code = cells[claim.cell]
        topic = claim.topic
        assert page in (topic, f"{topic}-experiments"), claim.cell
        assert CHECK.search(code), f"{claim.cell}: its cell checks nothing"


def test_every_labelled_cell_decides_something():
    named = {claim.cell for claim in CLAIMS}
    assert cells_by_label().keys() <= named


def test_every_conclusion_is_in_the_table_and_the_table_in_the_ledger():
    text = (BOOK / "perception" / "conclusions.md").read_text("utf8")
    table = re.search(r"^```\{verdicts\}\n([\s\S]*?)^```", text, re.M)
    rows = [ledger.table_row(line) for line in table[1].splitlines()]
    known = {claim.cell for claim in CLAIMS}
    assert {name for row in rows for part in row for name in part} <= known
    concluded = {
        claim.cell for claim in CLAIMS if claim.topic.endswith("conclusions")
    }
    listed = [name for row in rows for name in row[0]]
    assert sorted(listed) == sorted(concluded - {None})
    assert all(derived or measured for _, derived, measured in rows)


def test_losses_are_named_as_they_are_exported():
    for claim in CLAIMS:
        if claim.loss and claim.topic in FINISHED:
            assert claim.loss in handbook_code.__all__


@pytest.mark.skipif(
    "HANDBOOK_SOURCES" not in os.environ,
    reason="HANDBOOK_SOURCES names no folder with the sources",
)
def test_the_index_is_of_these_sources():
    listed = index(Path(os.environ["HANDBOOK_SOURCES"]))
    assert {
        (source, item["line"]): item
        for source, found in listed.items()
        for item in found
    } == ledger.items()

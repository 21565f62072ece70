"""The record of other implementations: asked again, and compared."""

import json
import re
import warnings
from pathlib import Path

import pytest

from handbook_code.catalogue import CATALOGUE
from implementations import (
    CONSEQUENCES,
    agree,
    cases,
    compute,
    record,
)
from make_implementations import measure

ROOT = Path(__file__).resolve().parents[1]
RENEW = "run: make implementations"
every_case = pytest.mark.parametrize("case", cases(), ids=lambda c: c.name)


def test_the_record_is_of_these_cases():
    assert [case.name for case in cases()] == list(record()), RENEW


@every_case
def test_an_installed_implementation_still_does_what_is_recorded(case):
    found, known = measure(case), record()[case.name]
    if found["version"] != known["version"]:
        pytest.skip(f"recorded for {known['version']}")
    for whose in ("theirs", "ours"):
        assert agree(found[whose], known[whose]), (whose, found, RENEW)


@every_case
def test_a_case_shows_a_difference(case):
    known = record()[case.name]
    assert not agree(known["theirs"], known["ours"])
    if case.consequence == "number":
        assert known["theirs"] in ("nan", "inf", "0") or known[
            "theirs"
        ].endswith("Error")


@every_case
def test_ours_is_a_number_or_a_refusal_that_is_meant(case):
    ours = record()[case.name]["ours"]
    assert ours not in ("nan", "inf")
    assert not ours.endswith("Error") or case.consequence == "input"


@every_case
def test_a_case_is_written_as_the_page_wants_it(case):
    assert case.consequence in CONSEQUENCES
    assert bool(case.module) != bool(case.read)
    assert case.says.endswith(".") and not set("|`") & set(case.says)
    lines = f"{case.given}\n{case.theirs}\n{case.ours}".splitlines()
    assert max(map(len, lines)) <= 79
    if case.thread:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", case.thread)


@every_case
def test_the_suite_says_it_as_a_sentence(case):
    path, name = case.test.split("::")
    assert f"\ndef {name}(" in (ROOT / path).read_text("utf8")


def test_cases_are_of_losses_that_the_catalogue_or_the_package_has():
    import handbook_code

    known = {loss.name for loss in CATALOGUE}
    for case in cases():
        assert case.loss in known or hasattr(handbook_code, case.loss)


def test_another_digit_is_not_agreement():
    assert agree("nan", "nan") and agree("1", "1.001")
    assert not agree("nan", "1") and not agree("1", "1.01")
    assert not agree("ValueError", "nan") and agree("inf", "inf")


def test_a_peer_that_is_missing_keeps_its_record(monkeypatch, tmp_path):
    import make_implementations as script

    def nothing(case):
        pytest.skip("not installed")

    (tmp_path / "implementations.json").write_text(json.dumps(record()))
    monkeypatch.setattr(script, "measure", nothing)
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert script.main() == 0
    kept = json.loads((tmp_path / "implementations.json").read_text())
    assert kept == record()
    assert compute(cases()[0], "ours") == "0"

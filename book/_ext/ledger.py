"""The ledger of claims: what the sources say, and what became of it."""

import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEDGER = ROOT / "book" / "ledger.toml"
INDEX = ROOT / "tests" / "sources.json"

DECIDED = ("holds", "holds if", "false", "not decidable here")
VERDICTS = (*DECIDED, "no claim", "open")

SOURCES = {  # in the order of the Errata, and what their places are called
    "l2-blur": "post",
    "image-losses": "note",
    "taxonomy": "taxonomy",
    "perceptual-distance-talk": "talk",
}
PLACE = re.compile(r"(\S+) (\d+)(?:\.(\d+)(?:-(\d+))?)?")


@dataclass(frozen=True)
class Place:
    """A line of a source, or some of its sentences."""

    source: str
    line: int
    first: int | None = None
    last: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Place":
        match = PLACE.fullmatch(text)
        if not match:
            raise ValueError(
                f"at: expected 'source line' or 'source line.sentence', "
                f"got {text!r}"
            )
        source, line, first, last = match.groups()
        first = int(first) if first else None
        return cls(source, int(line), first, int(last) if last else first)

    def __str__(self) -> str:
        """As a reader would look it up."""
        item = items()[self.source, self.line]
        under = item["under"].split(" (")[0].removesuffix("?")
        words = [SOURCES[self.source], under]
        words += [item["mark"]] if item["mark"] != "text" else []
        return ", ".join(filter(None, [*words, f"line {self.line}"]))


@dataclass(frozen=True)
class Claim:
    """An entry of the ledger."""

    places: tuple[Place, ...]
    topic: str
    claim: str
    verdict: str
    loss: str | None = None
    finding: str = ""
    cell: str | None = None


@cache
def items() -> dict[tuple[str, int], dict]:
    """What the sources say, by source and line."""
    index = json.loads(INDEX.read_text("utf8"))
    return {
        (source, item["line"]): item
        for source, found in index.items()
        for item in found
    }


def load(path: Path = LEDGER) -> list[Claim]:
    entries = tomllib.loads(path.read_text("utf8"))["claim"]
    return [
        Claim(places=tuple(map(Place.parse, entry.pop("at"))), **entry)
        for entry in entries
    ]


def counts(claims: list[Claim]) -> Counter:
    return Counter(claim.verdict for claim in claims)


def table_row(line: str) -> tuple[list[str], ...]:
    """Labels of a line: of the conclusion, what was derived, and measured."""
    conclusion, _, rest = line.partition(":")
    derived, _, measured = rest.partition(";")
    return conclusion.split(), derived.split(), measured.split()

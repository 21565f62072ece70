"""List what the sources say, line by line, without keeping their words.

    python tests/index_sources.py FOLDER

FOLDER holds the sources as Markdown files. The index, tests/sources.json,
names every line that says something: its number, its mark ([pro], text, …),
the heading it stands under, how many sentences it has, and a digest by which
a changed source is noticed. The ledger must answer to each of them.
"""

import hashlib
import json
import re
import sys
from itertools import pairwise
from pathlib import Path

INDEX = Path(__file__).with_name("sources.json")
MARK = re.compile(r"\[(what|idea|pro|con|variant)\] ")
HEADING = re.compile(r"(#+ .*|\*\*[^*]+\*\* *|<h2 class.*)")
SILENT = re.compile(  # says nothing: layout, links to pictures, front matter
    r"(\s*|<!--.*|<style>.*|</?h2 style.*|!\[.*|---|\d+"
    r"|(Title|Date|Category|Lang|Slug|Author|layout|title|date|author"
    r"|header-img|category|tags): .*)"
)
SENTENCE = re.compile(r'(?<=[.!?])["”)]* +(?=["“(A-Z$\\])')
PROSE = {"text", "what", "idea", "pro", "con", "variant"}
SHORT = re.compile(r"\b(e\.g|i\.e|et al|vs|[A-Z])\. ")


def sentences(text: str) -> int:
    return len(SENTENCE.split(SHORT.sub(r"\1 ", text.strip())))


def items(text: str) -> list[dict]:
    """Every line that says something; a formula of several lines is one."""
    found, under, block = [], "", None
    for number, line in enumerate(text.splitlines(), 1):
        mark = MARK.match(line)
        if block is not None:
            block.append(line)
        elif not mark and HEADING.fullmatch(line):
            under = re.sub(r"<[^>]+>|[#*]+ *", "", line).strip()
            continue
        elif SILENT.fullmatch(line):
            continue
        elif line.startswith("$$"):
            block = [line]
        if block is not None:
            closed = "\n".join(block).rstrip().endswith("$$")
            if not closed or block == ["$$"]:
                continue
            number, line = number - len(block) + 1, "\n".join(block)
        kind = "formula" if block else mark[1] if mark else "text"
        if under == "References":
            kind = "reference"
        found.append(
            {
                "line": number,
                "mark": kind,
                "under": under,
                "sentences": sentences(line) if kind in PROSE else 1,
                "digest": hashlib.sha256(line.encode()).hexdigest()[:12],
            }
        )
        block = None
    assert all(a["line"] < b["line"] for a, b in pairwise(found))
    return found


def index(folder: Path) -> dict[str, list[dict]]:
    return {
        path.stem: items(path.read_text("utf8"))
        for path in sorted(folder.glob("*.md"))
    }


if __name__ == "__main__":
    every = index(Path(sys.argv[1]))
    rows = {
        name: "[\n"
        + ",\n".join(f"    {json.dumps(item)}" for item in found)
        + "\n  ]"
        for name, found in every.items()
    }
    body = ",\n".join(f'  "{name}": {row}' for name, row in rows.items())
    INDEX.write_text("{\n" + body + "\n}\n", "utf8")
    for name, found in every.items():
        print(f"{name}: {len(found)} lines")

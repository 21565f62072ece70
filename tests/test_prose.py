"""Chapters keep the habits of the house; no number stands without a cell."""

import re
from pathlib import Path
from statistics import median_low

import nbformat
import pytest

from chapters import chapters, pages, read
from make_references import reference

every_chapter = pytest.mark.parametrize(
    "chapter", chapters(), ids=lambda path: path.stem
)
TAGS = {"hide-input", "remove-input", "remove-cell"}

# What is not prose: code, options and names of directives, formulas, roles,
# targets, addresses.
NOT_PROSE = re.compile(
    r"^---\n[\s\S]*?^---\n|^```\{(?:code-cell|glue:math|figure)[\s\S]*?^```$"
    r"|^```(?!\{).*\n[\s\S]*?^```$|^[`:]{3,}.*$|^:[\w-]+:.*$|^\(.*\)=$"
    r"|\$\$[\s\S]*?\$\$|\$[^$]*\$|\{[\w:]+\}`[^`]*`|`[^`]*`"
    r"|\]\([^)]*\)|https?://\S+|CC BY \d\.\d",
    re.M,
)
FIGURE = re.compile(r"\bplots\.\w+\(")
NUMBER = re.compile(r"(?<![\w.,/-])\d+(?:[.,]\d+)*(?:\s?%)?(?![\w-])")
YEAR = re.compile(r"1[789]\d\d|20\d\d")


def numbers(text: str) -> set[str]:
    """Those of two digits and more, and decimal fractions."""
    found = set(NUMBER.findall(NOT_PROSE.sub(" ", text)))
    return {
        n for n in found if len(n) > 1 and not YEAR.fullmatch(n) and n != "10"
    }


def computed(chapter: Path) -> str:
    """All code and all that it printed."""
    path = reference(chapter)
    if not path.exists():
        return ""
    cells = nbformat.read(path, 4).cells
    printed = [
        str(output.get("text", "")) + str(dict(output.get("data", {})))
        for cell in cells
        for output in cell.outputs
    ]
    return "\n".join([*(cell.source for cell in cells), *printed])


def test_a_number_in_the_prose_is_seen():
    text = (
        "It is 0.37 and 64 % of $0.38$, as {cite:p}`x2020` or `0.39` say.\n"
        "```{code-cell} ipython3\n0.40\n```\nAnd 1,200 in 1998, "
        "[0.41](p.html#a0.42).\n```{figure} 0.43\n:name: 0.44\n0.45\n```\n"
    )
    assert numbers(text) == {"0.37", "64 %", "1,200", "0.41"}


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.stem)
def test_no_number_stands_without_a_cell(page):
    known = computed(page)
    unknown = set()
    for number in numbers(page.read_text("utf8")):
        value = float(number.replace(",", "").rstrip("% \u202f\xa0"))
        spellings = {number, f"{value:g}"}
        if "%" in number:
            spellings |= {f"{value / 100:g}", f"{value / 100:g}"[1:]}
        if not any(
            re.search(rf"(?<![\d.]){re.escape(s)}(?!\d)", known)
            for s in spellings
        ):
            unknown.add(number)
    assert not unknown, "no cell computes it"


@every_chapter
def test_cells_fit_on_the_page(chapter):
    lengths = []
    for number, cell in enumerate(read(chapter).cells):
        if cell.cell_type != "code":
            continue
        lines = cell.source.splitlines()
        hint = f"cell {number}: {lines[:1]}"
        assert max(map(len, lines), default=0) <= 72, hint
        code = [line for line in lines if line.strip()]
        assert len(code) <= 15, hint
        assert not re.search(r"^[%!]", cell.source, re.M), hint
        assert set(cell.metadata.get("tags", [])) <= TAGS, hint
        lengths.append(len(code))
    assert len(lengths) < 5 or median_low(lengths) <= 6


@every_chapter
def test_every_figure_has_a_caption_and_words_for_who_cannot_see(chapter):
    for cell in read(chapter).cells:
        if cell.cell_type == "code" and FIGURE.search(cell.source):
            shown = cell.metadata.get("mystnb", {})
            assert shown.get("figure", {}).get("caption"), cell.source
            alt = shown.get("image", {}).get("alt", "")
            assert len(alt) > 20, cell.source

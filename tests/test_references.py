"""Each chapter has an executed reference notebook with the same code cells.

nbval then compares what a run prints today with what it printed there.
"""

import nbformat
import pytest

from chapters import chapters, read
from make_references import REFERENCES, reference

RENEW = "run: make references"


def code(notebook) -> list:
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    return [(c.source, c.metadata.get("tags", [])) for c in cells]


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_reference_is_current(chapter):
    assert reference(chapter).exists(), RENEW
    executed = nbformat.read(reference(chapter), 4)
    assert code(executed) == code(read(chapter)), RENEW
    # nbval compares nothing in a cell that was never run.
    assert all(c.execution_count for c in executed.cells), RENEW


def test_no_reference_without_a_chapter():
    written = set(REFERENCES.rglob("*.ipynb"))
    assert written == {reference(chapter) for chapter in chapters()}

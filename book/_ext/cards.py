"""A card at the head of every loss: what to know before one reads on.

It stands under the heading that has the loss's label; a chapter need not ask
for it. All that it says is in ``handbook_code/losses.json``.
"""

import json
import re
from functools import cache

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from chapters import ROOT

LOSSES = ROOT / "handbook_code" / "losses.json"


@cache
def _read(changed: float) -> dict:
    return json.loads(LOSSES.read_text("utf8"))


def book() -> dict:
    return _read(LOSSES.stat().st_mtime)


def losses() -> dict[str, dict]:
    return {loss["name"]: loss for loss in book()["losses"]}


def link(name: str) -> str:
    return f"[`{name}`](#{losses()[name]['label']})"


def heading(label: str) -> re.Pattern:
    """The heading after a label, and after others that it may have."""
    return re.compile(rf"^\({label}\)=\n(?:\([\w-]+\)=\n)*#+ .*\n", re.M)


def insert(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the card of each loss of a chapter under its heading."""
    for name, loss in losses().items():
        if page == f"book/{loss['part']}/{loss['chapter']}":
            card = f"\n```{{reader-card}} {name}\n```\n"
            source[0] = heading(loss["label"]).sub(
                lambda m, card=card: m.group() + card, source[0], count=1
            )


class ReaderCard(SphinxDirective):
    """What one asks of a loss before reading its section."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(LOSSES))
        loss = losses()[self.arguments[0]]
        card = nodes.container(classes=["reader-card"])
        card += nodes.definition_list()
        for term, text in facts(loss).items():
            if text:
                said = nodes.definition("", *self.parsed(text))
                card[0] += nodes.definition_list_item(
                    "", nodes.term("", term), said
                )
        code = nodes.literal_block(loss["example"], loss["example"])
        code["language"] = "python"
        card += nodes.raw(
            "", "<details><summary>As code</summary>", format="html"
        )
        card += code
        card += nodes.raw("", "</details>", format="html")
        return [card]

    def parsed(self, text: str | nodes.Node) -> list[nodes.Node]:
        if isinstance(text, nodes.Node):
            return [text]
        parent = nodes.Element()
        lines = StringList([text], self.env.docname)
        self.state.nested_parse(lines, 0, parent)
        return parent.children


def facts(loss: dict) -> dict[str, str | nodes.Node]:
    """The lines of a card, in Markdown; an empty one is left out."""
    others = [
        f"{link(name)} {f'({why})' if why else ''}".strip()
        for name, why in loss["alternatives"].items()
    ]
    shapes = [f"`{name}` {shape}" for name, shape in loss["shapes"].items()]
    formula, gradient = loss["latex"], loss["gradient"]
    return {
        "use when": loss["use_when"],
        "fails when": loss["fails_when"],
        "instead": " · ".join(others),
        # What takes more than a line is in words here, and defined below.
        "formula": f"${formula}$"
        if formula
        else nodes.paragraph("", loss["formula"].replace("``", "")),
        "gradient": f"${gradient}$"
        if gradient
        else "by autograd, as it takes more than a line",
        "range": loss["range"],
        "shapes": ", ".join(shapes),
        "properties": ", ".join(loss["traits"]),
        "needs": ", ".join(loss["needs"]),
        "cost": loss["cost"].replace("network", "that of the network"),
        "source": f"{{cite:t}}`{loss['reference']['key']}`",
    }

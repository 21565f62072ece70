"""Which loss? From the shell, without torch.

    python -m handbook_code list
    python -m handbook_code show huber_loss
    python -m handbook_code choose --task intervals --robust

``--json`` prints what programs can read. The exit status is 0 if something
was found, 1 if nothing fits, 2 if the question makes no sense.
"""

import argparse
import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill

FILE = Path(__file__).with_name("losses.json")
WIDTH = 80
FOUND, NOTHING, USAGE = 0, 1, 2


class Unknown(Exception):
    """Something was named that there is none of."""


def main(arguments: Sequence[str] | None = None) -> int:
    book = json.loads(FILE.read_text("utf8"))
    asked = _parser(book["lists"]["traits"]).parse_args(arguments)
    try:
        found = asked.find(book, asked)
    except Unknown as error:
        print(error, file=sys.stderr)
        return USAGE
    if asked.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
    elif not found:
        print("No loss has all of this. Ask for less.", file=sys.stderr)
    else:
        print(asked.write(found))
    return FOUND if found else NOTHING


def every(book: dict, asked: argparse.Namespace) -> list[dict]:
    return book["losses"]


def one(book: dict, asked: argparse.Namespace) -> dict:
    by_name = {loss["name"]: loss for loss in book["losses"]}
    # `dice` is enough for dice_loss.
    name = asked.name.replace("-", "_").lower()
    for spelled in (name, f"{name}_loss"):
        if spelled in by_name:
            return by_name[spelled]
    raise Unknown(_unknown("loss", asked.name, by_name))


def fitting(book: dict, asked: argparse.Namespace) -> list[dict]:
    lists = book["lists"]
    tasks = [_spelled("task", t, lists["tasks"]) for t in asked.task]
    without = [_spelled("need", n, lists["needs"]) for n in asked.without]
    given = asked.input and _spelled("input", asked.input, lists["input"])
    traits = [t for t in lists["traits"] if getattr(asked, _dest(t))]
    return [
        loss
        for loss in book["losses"]
        if {*tasks} <= {*loss["tasks"]}
        and {*traits} <= {*loss["traits"]}
        and not {*without} & {*loss["needs"]}
        and given in (None, loss["input"])
    ]


def names(losses: Iterable[dict]) -> str:
    """One line a loss or two, under the chapter that has it."""
    lines, chapter = [], None
    for loss in losses:
        if chapter != (chapter := f"{loss['part']} / {loss['chapter']}"):
            lines += ["", chapter]
        lines.append(_beside(f"  {loss['name']}", loss["use_when"], 34))
    return "\n".join(lines[1:])


def card(loss: dict) -> str:
    """All that there is to say of one."""
    others = [
        f"{name} ({why})" if why else name
        for name, why in loss["alternatives"].items()
    ]
    shapes = [f"{name} {shape}" for name, shape in loss["shapes"].items()]
    facts = {
        "formula": loss["formula"],
        "range": loss["range"],
        "shapes": ", ".join(shapes),
        "properties": ", ".join(loss["traits"]) or "none of those asked for",
        "cost": loss["cost"],
        "needs": ", ".join(loss["needs"]),
        "tasks": ", ".join(loss["tasks"]),
        "use when": loss["use_when"],
        "fails when": loss["fails_when"],
        "instead": "; ".join(others),
        "reference": loss["reference"]["text"],
        "section": f"book/{loss['page']}",
    }
    lines = [_beside(name, text, 12) for name, text in facts.items() if text]
    code = [f"    {line}".rstrip() for line in loss["example"].splitlines()]
    head = [fill(loss["signature"], WIDTH, subsequent_indent="    ")]
    return "\n".join([*head, loss["idea"], "", *lines, "", *code])


def _beside(left: str, right: str, column: int) -> str:
    """A word, and a text that hangs beside it."""
    room = " " * column
    text = fill(
        right, WIDTH, initial_indent=room, subsequent_indent=room,
        break_on_hyphens=False,
    )  # fmt: skip
    return f"{left:<{column - 1}} {text[column:]}".rstrip()


def _spelled(what: str, said: str, known: Iterable[str]) -> str:
    """Of a list, with - for a space and in any case."""
    for name in known:
        if name.lower() == said.replace("-", " ").lower():
            return name
    raise Unknown(_unknown(what, said, known))


def _unknown(what: str, said: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(said, known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}?" if close else "see --help"
    return f"{what}: expected a known one, got {said!r}; {hint}"


def _dest(trait: str) -> str:
    return trait.replace(" ", "_")


def _parser(traits: dict[str, str]) -> argparse.ArgumentParser:
    def wide(prog: str) -> argparse.HelpFormatter:
        return argparse.RawDescriptionHelpFormatter(prog, width=WIDTH - 1)

    made = argparse.ArgumentParser(
        prog="python -m handbook_code",
        description=__doc__,
        formatter_class=wide,
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, says: str, find, write) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=says, description=says, formatter_class=wide
        )
        added.set_defaults(find=find, write=write)
        added.add_argument("--json", action="store_true", help="for programs")
        return added

    command("list", "every loss, by chapter", every, names)
    show = command("show", "all about one loss", one, card)
    show.add_argument("name", metavar="NAME", help="such as huber_loss")
    choose = command("choose", "the losses that fit", fitting, names)
    add = choose.add_argument
    # fmt: off
    add("--task", nargs="+", default=[], metavar="TASK", action="extend",
        help="what it shall serve for, such as segmentation, small-objects")
    add("--input", metavar="INPUT", help="such as logits or boxes")
    add("--without", nargs="+", default=[], metavar="NEED", action="extend",
        help="what you have not, such as pairs, a-network")
    # fmt: on
    for trait, says in traits.items():
        add(f"--{trait.replace(' ', '-')}", action="store_true", help=says)
    return made


if __name__ == "__main__":
    sys.exit(main())

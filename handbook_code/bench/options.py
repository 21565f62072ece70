"""The options of ``handbook_code.bench.segmentation``, and what they take."""

import argparse
import re
from pathlib import Path

from handbook_code.bench.losses import LOSSES, RATES


def parser(command: str, about: str) -> argparse.ArgumentParser:
    """Every option; its help says the default."""
    made = argparse.ArgumentParser(
        prog=command,
        description=about.partition("\n\n")[2],
        epilog="A run that was stopped, or killed, goes on with the same "
        "command, to the same result.",
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=79),
    )
    add = made.add_argument
    # fmt: off
    add("--data", type=Path, metavar="FOLDER",
        help="images/ and masks/ with equal stems, PNG, TIFF or NPY")
    add("--classes", type=_classes, default=2, metavar="K",
        help="in the masks, with background (2); beyond 2 a softmax")
    add("--group", type=_regex, metavar="REGEX",
        help="pictures whose stems match with equal text, such as the name "
        "of a patient, stay together when they are split")
    add("--losses", type=_names, metavar="NAME,…",
        help="of: " + " ".join(LOSSES))
    add("--rates", type=_rates, metavar="RATE,…",
        help="of Adam; of several the best on validation is taken "
        f"({', '.join(map(str, RATES))} in the book, 0.003 on your data)")
    add("--seeds", type=_count, default=3, metavar="N",
        help="runs of each loss (3)")
    add("--steps", type=_count, metavar="N", help="of each run (2000)")
    add("--batch", type=_count, metavar="N", help="crops in a step (8)")
    add("--crop", type=_count, metavar="N", help="their side (128)")
    add("--width", type=_width, metavar="N",
        help="channels of the U-Net's first level, a multiple of 4 (16)")
    add("--levels", type=_count, metavar="N", help="of the U-Net (4)")
    add("--device", default="auto", metavar="NAME",
        help="cpu, cuda, cuda:1, … (auto: a graphics card if any)")
    add("--every", type=_count, default=100, metavar="N",
        help="steps between two checkpoints (100)")
    add("--out", type=Path, metavar="FOLDER",
        help="for runs.jsonl, record.json, checkpoints (under _build/bench)")
    add("--again", type=_names, metavar="NAME,…",
        help="forget the runs of these losses first")
    add("--restart", action="store_true", help="forget all runs first")
    # fmt: on
    return made


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in LOSSES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no loss {', '.join(unknown)}; there are {', '.join(LOSSES)}"
        )
    return names


def _rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(rate) for rate in text.split(","))
    except ValueError:
        rates = ()
    if not rates or not all(0 < rate < 10 for rate in rates):
        raise argparse.ArgumentTypeError(
            f"expected positive numbers with commas, got {text}"
        )
    return rates


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 1, got {text}"
        )
    return int(text)


def _width(text: str) -> int:
    if _count(text) % 4:
        raise argparse.ArgumentTypeError(
            f"expected a multiple of 4, got {text}"
        )
    return int(text)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(
            f"expected a regular expression, got {text}: {error}"
        ) from error
    return text


def _classes(text: str) -> int:
    if _count(text) < 2:
        raise argparse.ArgumentTypeError(
            f"expected at least 2, the background included, got {text}"
        )
    return int(text)

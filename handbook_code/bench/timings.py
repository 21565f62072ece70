"""What a record of the bench of speed says."""

from collections.abc import Iterator
from math import log
from typing import NamedTuple

OURS = "handbook_code"


class Contest(NamedTuple):
    """A loss at one size, beside the fastest of its peers."""

    loss: str
    size: str
    threads: int
    ms: float
    mb: float
    peer: str | None
    faster: float | None  # the peer's time over ours
    leaner: float | None  # its memory over ours
    floor: float  # our time over that of moving each byte once


def contests(record: dict, threads: int = 1) -> list[Contest]:
    """Each run of a record with that many threads, in its order."""
    return [
        _contest(run, record["copied"])
        for run in record["runs"]
        if run["threads"] == threads
    ]


def fastest(run: dict) -> str | None:
    """The peer that takes the least time, if there is any."""
    peers = [name for name in run["by"] if name != OURS]
    return min(peers, key=lambda name: run["by"][name]["ms"], default=None)


def growth(record: dict, threads: int = 1) -> dict[str, tuple[float, float]]:
    """By which power time and memory grew between the two largest sizes."""
    sizes: dict[str, list[dict]] = {}
    for run in record["runs"]:
        if run["threads"] == threads:
            sizes.setdefault(run["loss"], []).append(run)
    found = {}
    for loss, runs in sizes.items():
        largest = max(runs, key=lambda run: run["elements"])
        fewer = [r for r in runs if r["elements"] < largest["elements"]]
        if fewer:
            next_to_it = max(fewer, key=lambda run: run["elements"])
            found[loss] = tuple(_powers(next_to_it, largest))
    return found


def _contest(run: dict, copied: float) -> Contest:
    ours, peer = run["by"][OURS], fastest(run)
    faster = leaner = None
    if peer:
        faster = run["by"][peer]["ms"] / ours["ms"]
        leaner = run["by"][peer]["mb"] / ours["mb"]
    floor = 1e3 * run["least_bytes"] / copied
    return Contest(
        run["loss"],
        run["size"],
        run["threads"],
        ours["ms"],
        ours["mb"],
        peer,
        faster,
        leaner,
        ours["ms"] / floor,
    )


def _powers(smaller: dict, larger: dict) -> Iterator[float]:
    steps = log(larger["elements"] / smaller["elements"])
    for what in ("ms", "mb"):
        ratio = larger["by"][OURS][what] / smaller["by"][OURS][what]
        yield log(ratio) / steps

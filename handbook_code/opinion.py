"""What people think of distorted pictures: TID2013, from your own copy.

The data set cannot be shipped. ``agreement.py`` has the correlations.
"""

import os
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

VARIABLE = "HANDBOOK_TID2013"
REFERENCES, LEVELS = 25, 5
SIZE = (512, 384)  # width and height, as Pillow has it
BEST = 9.0
NAME = re.compile(r"(i(\d\d)_(\d\d)_(\d))\.(?:bmp|png)", re.I)
KINDS = (
    "Gaussian noise", "noise, most in colours", "correlated noise",
    "masked noise", "high-frequency noise", "impulse noise", "quantisation",
    "blur", "denoising", "JPEG", "JPEG2000", "JPEG, sent with errors",
    "JPEG2000, sent with errors", "displaced patches", "blocks", "mean shift",
    "contrast", "saturation", "multiplicative noise", "comfort noise",
    "coding of noise", "dithered colours", "chromatic aberration",
    "sparse sampling",
)  # fmt: skip


class Judged(NamedTuple):
    """A distorted picture, what it was made from, and what people say."""

    reference: Tensor
    distorted: Tensor
    mos: float
    std: float
    name: str
    kind: int
    level: int


class TID2013(Dataset):
    """The Tampere image database of 2013, from your own copy.

    25 references (crops of Kodak's pictures), 24 kinds of distortion and 5
    levels of each: 3000 distorted pictures of 512 × 384 pixels, with the mean
    opinion score (MOS) of observers who compared pairs. The score goes from 0
    to 9, and high is good. A higher level is not always worse: of contrast,
    kind 17, some levels have less and some more.

    The folder is as it comes out of the archive; capital letters do not
    matter, and pictures may have been converted to PNG:

        reference_images/   I01.BMP … i25.bmp
        distorted_images/   i01_01_1.bmp … i25_24_5.bmp
        mos_with_names.txt  lines such as  5.51429 I01_01_1.bmp
        mos_std.txt         a deviation for each of these lines (optional)

    The lists and the head of every picture are read at once, and all that is
    wrong is said together; pixels are read when a picture is asked for.

    Args:
        folder: where it is; if None, the environment variable
            ``HANDBOOK_TID2013`` says so.
        complete: if False, the folder may have any part of the 3000 pictures,
            of any size: those that the list names.

    Returns:
        A data set of ``Judged``: reference and distorted picture (3, H, W)
        from 0 to 1, the score, its deviation (nan without ``mos_std.txt``),
        the name, the kind from 1 to 24, and the level from 1 to 5. All of
        them but the pictures stand in ``names``, ``mos``, ``std``,
        ``references``, ``kinds`` and ``levels``.

    Raises:
        FileNotFoundError: if a folder or a list is missing.
        ValueError: if a line or a picture is missing, doubled, or not what
            it should be; the message names it and says what was expected.

    Reference:
        Ponomarenko et al. (2015), Image database TID2013: Peculiarities,
        results and perspectives.
    """

    def __init__(
        self, folder: str | Path | None = None, *, complete: bool = True
    ):
        self.folder, self.complete = _folder(folder), complete
        wrong: list[str] = []
        rows = _opinions(self.folder / "mos_with_names.txt", wrong)
        if complete:
            wrong += _gaps(rows)
        self.names = [row.name for row in rows]
        self.mos = torch.tensor([row.mos for row in rows])
        places = [row.place for row in rows]
        self.references, self.kinds, self.levels = (
            torch.tensor(places).view(-1, 3).T
        )
        self.std = _deviations(self.folder / "mos_std.txt", len(rows), wrong)
        made = _pictures(self.folder / "distorted_images", wrong)
        pure = _pictures(self.folder / "reference_images", wrong)
        self._files = [
            (pure.get(row.name[:3]), made.get(row.name)) for row in rows
        ]
        wrong += _missing(rows, made, pure)
        if not wrong:
            wrong += self._heads()
        if wrong:
            _give_up(self.folder, list(dict.fromkeys(wrong)))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Judged:
        pure, made = map(_pixels, self._files[index])
        numbers = (self.mos, self.std, self.kinds, self.levels)
        mos, std, kind, level = (column[index].item() for column in numbers)
        name = self.names[index]
        return Judged(pure, made, mos, std, name, kind, level)

    def __repr__(self) -> str:
        return f"TID2013({str(self.folder)!r}): {len(self)} pictures"

    def _heads(self) -> list[str]:
        """What is wrong with the size or the colours of a picture."""
        found: dict[Path, tuple[int, int]] = {}
        wrong = []
        for path in dict.fromkeys(p for pair in self._files for p in pair):
            try:
                with Image.open(path) as picture:
                    found[path], mode = picture.size, picture.mode
            except (UnidentifiedImageError, OSError) as error:
                wrong.append(f"{_short(path)}: expected a picture, {error}")
                continue
            if mode != "RGB":
                wrong.append(
                    f"{_short(path)}: expected three colours of 8 bits, "
                    f"got Pillow's mode {mode!r}"
                )
            if self.complete and found[path] != SIZE:
                wrong.append(
                    f"{_short(path)}: expected 512 × 384 pixels, "
                    f"got {_times(found[path])}"
                )
        for pure, made in self._files if not wrong else ():
            if found[pure] != found[made]:
                wrong.append(
                    f"{_short(made)}: expected the size of its reference, "
                    f"{_times(found[pure])}, got {_times(found[made])}"
                )
        return wrong


class _Row(NamedTuple):
    name: str  # small letters, without the ending
    mos: float
    place: tuple[int, int, int]  # reference, kind and level
    line: int


def _folder(folder: str | Path | None) -> Path:
    if folder is None:
        folder = os.environ.get(VARIABLE)
    if not folder:
        raise FileNotFoundError(
            f"folder: expected your copy of TID2013, as an argument or in "
            f"the environment variable {VARIABLE}, got none"
        )
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder: expected your copy of TID2013, got {folder}, which is "
            f"{'no folder' if folder.exists() else 'not there'}"
        )
    for part in ("distorted_images", "reference_images"):
        if not _inside(folder, part).is_dir():
            raise FileNotFoundError(
                f"{folder}: expected the folder {part} in it, got "
                f"{', '.join(sorted(p.name for p in folder.iterdir())[:8])}"
                f" …; name the folder that holds {part}"
            )
    return folder


def _inside(folder: Path, name: str) -> Path:
    """What has this name, but for capital letters."""
    found = (p for p in folder.iterdir() if p.name.lower() == name)
    return next(found, folder / name)


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a list that are not empty, numbered from 1."""
    text = _inside(path.parent, path.name).read_text("utf-8-sig", "replace")
    lines = enumerate(text.splitlines(), start=1)
    return [(number, line) for number, line in lines if line.strip()]


def _opinions(path: Path, wrong: list[str]) -> list[_Row]:
    if not _inside(path.parent, path.name).is_file():
        raise FileNotFoundError(
            f"{path}: expected the list of scores, got no such file"
        )
    rows: dict[str, _Row] = {}
    for number, line in _lines(path):
        where, parts = f"{path.name}, line {number}", line.split()
        if len(parts) != 2:
            wrong.append(
                f"{where}: expected a score and a name, such as "
                f"'5.51429 I01_01_1.bmp', got {line.strip()!r}"
            )
            continue
        mos = _number(parts[0])
        if mos is None or not 0 <= mos <= BEST:
            wrong.append(
                f"{where}: expected a score from 0 to 9, got {parts[0]!r}"
            )
        match = NAME.fullmatch(parts[1])
        place = tuple(map(int, match.groups()[1:])) if match else (0, 0, 0)
        limits = zip(place, (REFERENCES, len(KINDS), LEVELS), strict=True)
        if not all(1 <= n <= limit for n, limit in limits):
            wrong.append(
                f"{where}: expected a name from I01_01_1.bmp to "
                f"I25_24_5.bmp, got {parts[1]!r}"
            )
        elif match[1].lower() in rows:
            before = rows[match[1].lower()].line
            wrong.append(
                f"{where}: expected each name once, got {parts[1]!r} "
                f"of line {before} again"
            )
        else:
            name = match[1].lower()
            rows[name] = _Row(name, mos or 0.0, place, number)
    if not rows and not wrong:
        wrong.append(f"{path.name}: expected a line a picture, got none")
    return list(rows.values())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _gaps(rows: Sequence[_Row]) -> list[str]:
    there = {row.place for row in rows}
    limits = (REFERENCES, len(KINDS), LEVELS)
    places = product(*(range(1, limit + 1) for limit in limits))
    return [
        _unjudged(f"i{r:02}_{k:02}_{n}")
        for r, k, n in places
        if (r, k, n) not in there
    ]


def _deviations(path: Path, count: int, wrong: list[str]) -> Tensor:
    if not _inside(path.parent, path.name).is_file():
        return torch.full((count,), torch.nan)
    values = []
    for number, line in _lines(path):
        value = _number(line)
        if value is None or value < 0:
            wrong.append(
                f"{path.name}, line {number}: expected a deviation ≥ 0, "
                f"got {line.strip()!r}"
            )
        values.append(value or 0.0)
    if len(values) != count and not wrong:
        wrong.append(
            f"{path.name}: expected a line for each of the {count} in "
            f"mos_with_names.txt, got {len(values)}"
        )
    return torch.tensor(values)


def _pictures(folder: Path, wrong: list[str]) -> dict[str, Path]:
    """The pictures of a folder by their names in small letters.

    Some copies have one twice, I25.BMP and i25.bmp, which does no harm if
    the two are the same.
    """
    found: dict[str, Path] = {}
    for path in sorted(_inside(folder.parent, folder.name).iterdir()):
        if path.suffix.lower() not in (".bmp", ".png") or path.name[0] == ".":
            continue
        first = found.setdefault(path.stem.lower(), path)
        if first != path and not _same(first, path):
            wrong.append(
                f"{_short(path)}: expected each picture once, "
                f"got another one in {first.name}"
            )
    return found


def _same(one: Path, other: Path) -> bool:
    if one.read_bytes() == other.read_bytes():
        return True
    return torch.equal(_pixels(one), _pixels(other))


def _missing(
    rows: Sequence[_Row], made: dict[str, Path], pure: dict[str, Path]
) -> list[str]:
    wrong = [
        f"mos_with_names.txt, line {row.line}: expected the picture "
        f"distorted_images/{row.name}.bmp, got no such file"
        for row in rows
        if row.name not in made
    ]
    stems = dict.fromkeys(row.name[:3] for row in rows)
    wrong += [
        f"reference_images: expected {stem.upper()}.BMP, got no such file"
        for stem in stems
        if stem not in pure
    ]
    listed = {row.name for row in rows}
    return wrong + [_unjudged(name) for name in made if name not in listed]


def _unjudged(name: str) -> str:
    return f"mos_with_names.txt: expected a line for {name}.bmp, got none"


def _pixels(path: Path) -> Tensor:
    try:
        with Image.open(path) as picture:
            values = np.array(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise ValueError(
            f"{_short(path)}: expected a picture, {error}"
        ) from error
    return torch.from_numpy(values).movedim(-1, 0) / 255.0


def _short(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _give_up(folder: Path, wrong: Sequence[str], shown: int = 8) -> NoReturn:
    rest = len(wrong) - shown
    lines = [*wrong[:shown], *([f"… and {rest} more"] if rest > 0 else [])]
    raise ValueError("\n  ".join([f"{folder} is no whole TID2013:", *lines]))

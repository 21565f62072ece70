"""Your own pictures: ``images/`` and ``masks/`` with equal stems.

Read with scikit-image: PNG, TIFF, NPY and more. Whatever is wrong with a
pair is said with the name of the file, all of it at once, before anything is
trained.
"""

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from handbook_code.bench import UsageError
from handbook_code.bench.scenes import Picture, Setting

SHOWN = 20  # problems listed before "and more"
ROOM = 2**30  # bytes of pictures kept in memory, for each part


class FolderError(UsageError):
    """What is wrong with a folder, a line for each file."""


class Pictures(Sequence[Picture]):
    """Pairs of files, read when they are asked for; some stay in memory.

    An image is scaled to mean 0 and deviation 1 in each channel; of a mask
    with 0 and 255 the latter is 1.
    """

    def __init__(self, pairs: Sequence[tuple[Path, Path]], classes: int):
        self.pairs, self.classes = list(pairs), classes
        self.kept: dict[int, Picture] = {}
        self.room = ROOM

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Pictures(self.pairs[index], self.classes)
        if index in self.kept:
            return self.kept[index]
        picture = _picture(*self.pairs[index], self.classes)
        size = sum(tensor.nbytes for tensor in picture)
        if size <= self.room:
            self.kept[index] = picture
            self.room -= size
        return picture


def read_folder(
    folder: Path,
    *,
    classes: int = 2,
    crop: int = 1,
    held_out: float = 0.2,
    group: str | None = None,
) -> tuple[Setting, int]:
    """The pictures of a folder in three parts, and their channels.

    Args:
        folder: with ``images/`` and ``masks/``.
        classes: their number, background included.
        crop: the side that every picture must have at least.
        held_out: the share of the pictures for validation, and for the test.
        group: a regular expression; pictures in whose stem it finds the same
            text, such as a patient, stay in one part.

    Raises:
        FolderError: naming each file that cannot be used, and why.
    """
    pairs = _pairs(folder)
    problems, channels = [], {}
    for image, mask in pairs:
        try:
            channels[image] = _check(image, mask, classes, crop)
        except FolderError as error:
            problems.append(str(error))
    first = next(iter(channels), None)
    problems += [
        f"{image}: expected as many channels as {first.name}, "
        f"{channels[first]}, got {number}"
        for image, number in channels.items()
        if number != channels[first]
    ]
    _refuse(problems)
    parts = _split(folder, [image.stem for image, _ in pairs], held_out, group)
    setting = Setting(
        *(Pictures([pairs[n] for n in part], classes) for part in parts)
    )
    return setting, channels[first]


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = len(problems) - SHOWN
        rest = [f"… and {more} more"] if more > 0 else []
        raise FolderError("\n".join([*problems[:SHOWN], *rest]))


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    if not folder.is_dir():
        raise FolderError(f"{folder}: expected a folder")
    stems, problems = [], []
    for place in (folder / "images", folder / "masks"):
        if not place.is_dir():
            raise FolderError(f"{place}: expected a folder of this name")
        found: dict[str, Path] = {}
        for path in sorted(place.iterdir()):
            if path.name.startswith(".") or not path.is_file():
                continue
            if path.stem in found:
                problems.append(
                    f"{path}: the stem is also that of {found[path.stem].name}"
                )
            found.setdefault(path.stem, path)
        if not found:
            raise FolderError(f"{place}: no files in it")
        stems.append(found)
    images, masks = stems
    problems += [
        f"{images[stem]}: no mask of this stem, {folder / 'masks' / stem}.*"
        for stem in images.keys() - masks.keys()
    ]
    problems += [
        f"{masks[stem]}: no image of this stem, {folder / 'images' / stem}.*"
        for stem in masks.keys() - images.keys()
    ]
    _refuse(sorted(problems))
    return [(images[stem], masks[stem]) for stem in sorted(images)]


def _read(path: Path) -> np.ndarray:
    try:
        from skimage.io import imread
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pictures are read by scikit-image: pip install scikit-image"
        ) from error
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        return np.asarray(imread(path))
    except Exception as error:  # whatever a reader of a broken file raises
        reason = str(error).partition("\n")[0][:100]
        raise FolderError(
            f"{path}: cannot be read: {type(error).__name__}: {reason}"
        ) from error


def _image(path: Path) -> np.ndarray:
    """Heights, widths and channels, of floats."""
    image = _read(path)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] > 4:
        raise FolderError(
            f"{path}: expected height × width, or with up to 4 channels "
            f"after them, got shape {image.shape}"
        )
    if image.dtype.kind not in "buif":
        raise FolderError(f"{path}: expected numbers, got {image.dtype}")
    image = image.astype(np.float32)
    if not np.isfinite(image).all():
        raise FolderError(f"{path}: expected finite numbers, got NaN or ∞")
    return image


def _mask(path: Path, classes: int) -> np.ndarray:
    mask = _read(path)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2:
        raise FolderError(
            f"{path}: expected a mask, height × width, got shape {mask.shape}"
        )
    if mask.dtype.kind not in "bui":
        raise FolderError(
            f"{path}: expected a mask of integers or true and false, "
            f"got {mask.dtype}"
        )
    mask = mask.astype(np.int64)
    values = np.unique(mask)
    if classes == 2 and set(values.tolist()) <= {0, 255}:
        return mask // 255
    beyond = values[(values < 0) | (values >= classes)].tolist()
    if beyond:
        hint = "" if classes > 2 else ", or 0 and 255"
        raise FolderError(
            f"{path}: expected classes 0 to {classes - 1}{hint}, "
            f"got {', '.join(map(str, beyond[:5]))}; see --classes"
        )
    return mask


def _check(image: Path, mask: Path, classes: int, crop: int) -> int:
    pixels, classified = _image(image), _mask(mask, classes)
    if pixels.shape[:2] != classified.shape:
        raise FolderError(
            f"{mask}: expected the size of {image.name}, {pixels.shape[:2]}, "
            f"got {classified.shape}"
        )
    if min(classified.shape) < crop:
        raise FolderError(
            f"{image}: expected sides of at least {crop}, "
            f"got {classified.shape}; see --crop"
        )
    return pixels.shape[2]


def _picture(image: Path, mask: Path, classes: int) -> Picture:
    pixels = torch.tensor(_image(image)).movedim(-1, 0)
    mean = pixels.mean((1, 2), keepdim=True)
    deviation = pixels.std((1, 2), keepdim=True).clamp(min=1e-6)
    return (pixels - mean) / deviation, torch.tensor(_mask(mask, classes))


def _split(
    folder: Path, stems: Sequence[str], held_out: float, group: str | None
) -> tuple[list[int], list[int], list[int]]:
    """For training, validation and test, whole groups in an order of chance
    that is the same in every run."""

    def name(stem: str) -> str:
        found = re.search(group, stem) if group else None
        return found.group() if found else stem

    groups: dict[str, list[int]] = {}
    for number, stem in enumerate(stems):
        groups.setdefault(name(stem), []).append(number)
    if len(groups) < 3:
        raise FolderError(
            f"{folder}: expected at least 3 "
            f"{'groups' if group else 'pairs'} to split, got {len(groups)}"
        )
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(groups), generator=generator).tolist()
    members = [list(groups.values())[n] for n in order]
    some = min(max(round(held_out * len(groups)), 1), (len(groups) - 1) // 2)
    parts = members[2 * some :], members[:some], members[some : 2 * some]
    train, validation, test = (sorted(chain(*part)) for part in parts)
    return train, validation, test

"""The bench on pictures of one's own: what it reads, refuses and resumes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from skimage.io import imsave

from handbook_code.bench.folder import FolderError, read_folder
from handbook_code.bench.losses import LOSSES
from handbook_code.bench.segmentation import COMMAND, main

SMALL = ["--crop", "16", "--width", "4", "--levels", "2", "--batch", "2"]
SMALL += ["--steps", "12", "--every", "3", "--device", "cpu"]


def save(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        imsave(path, array, check_contrast=False)


@pytest.fixture
def folder(tmp_path):
    """Six pictures of a bright square, sides of their own, in two formats."""
    draw = np.random.default_rng(0)
    for place in ("images", "masks"):
        (tmp_path / "set" / place).mkdir(parents=True)
    for n in range(6):
        size = (24 + n, 30)
        mask = np.zeros(size, np.uint8)
        mask[5 + n : 14 + n, 6:15] = 1
        image = (40 * draw.random(size) + 120 * mask).astype(np.uint8)
        kind = ("png", "tif", "npy")[n % 3]
        save(tmp_path / "set" / "images" / f"p{n}.{kind}", image)
        save(tmp_path / "set" / "masks" / f"p{n}.png", 255 * mask)
    return tmp_path / "set"


def test_a_folder_is_read(folder):
    """Whole numbers of classes, images of mean 0; each picture in one part."""
    setting, channels = read_folder(folder, crop=16)
    parts = (setting.train, setting.validation, setting.test)
    assert channels == 1 and [len(part) for part in parts] == [4, 1, 1]
    names = {pair[0].stem for part in parts for pair in part.pairs}
    assert names == {f"p{n}" for n in range(6)}
    image, mask = setting.train[0]
    assert image.shape[1:] == mask.shape and image.shape[0] == 1
    assert abs(image.mean()) < 1e-5 and set(mask.unique().tolist()) == {0, 1}
    assert setting.train[0][0] is image  # not read again


def test_groups_stay_together(folder):
    for n in range(6):
        for place in ("images", "masks"):
            (path,) = (folder / place).glob(f"p{n}.*")
            path.rename(path.with_stem(f"patient{n // 2}-{n}"))
    setting, _ = read_folder(folder, group=r"patient\d")
    parts = (setting.train, setting.validation, setting.test)
    patients = [
        {pair[0].stem.split("-")[0] for pair in part.pairs} for part in parts
    ]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert len(set.union(*patients)) == 3


def test_colours_and_classes(folder):
    for n in range(6):
        size = (24, 30)
        (image,) = (folder / "images").glob(f"p{n}.*")
        image.unlink()
        save(folder / "images" / f"p{n}.png", np.zeros((*size, 3), np.uint8))
        save(folder / "masks" / f"p{n}.png", np.full(size, n % 3, np.uint8))
    assert read_folder(folder, classes=3)[1] == 3


def broken(folder, what):
    """Break a folder, and what must be said of it."""
    image, mask = folder / "images" / "p0.png", folder / "masks" / "p0.png"
    good = np.zeros((24, 30), np.uint8)
    if what == "no folder":
        return folder / "none", r"none: expected a folder"
    if what == "no masks":
        (folder / "masks").rename(folder / "labels")
        return folder, r"masks: expected a folder of this name"
    if what == "empty":
        for path in (folder / "images").iterdir():
            path.unlink()
        return folder, r"images: no files in it"
    if what == "missing mask":
        mask.unlink()
        return folder, r"p0\.png: no mask of this stem, .*masks/p0\.\*"
    if what == "missing image":
        image.unlink()
        return folder, r"masks/p0\.png: no image of this stem"
    if what == "two of one stem":
        save(image.with_suffix(".npy"), good)
        return folder, r"p0\.png: the stem is also that of p0\.npy"
    if what == "unreadable":
        image.write_bytes(b"not a picture")
        return folder, r"images/p0\.png: cannot be read: "
    if what == "cut short":
        image.write_bytes(image.read_bytes()[:60])
        return folder, r"images/p0\.png: cannot be read: "
    if what == "unreadable array":
        (folder / "images" / "p2.npy").write_bytes(b"no")
        return folder, r"images/p2\.npy: cannot be read: "
    if what == "pickled array":
        np.save(folder / "images" / "p2.npy", np.array([{}]))
        return folder, r"images/p2\.npy: cannot be read: ValueError"
    if what == "size":
        save(mask, good[:-1])
        return folder, (
            r"masks/p0\.png: expected the size of p0\.png, \(24, 30\), "
            r"got \(23, 30\)"
        )
    if what == "coloured mask":
        save(mask, np.zeros((24, 30, 3), np.uint8))
        return folder, r"p0\.png: expected a mask, height × width, got shape"
    if what == "fractions":
        mask.unlink()
        np.save(mask.with_suffix(".npy"), good / 2)
        return folder, r"masks/p0\.npy: expected a mask of integers .* float64"
    if what == "class":
        save(mask, good + 2)
        return folder, (
            r"masks/p0\.png: expected classes 0 to 1, or 0 and 255, got 2; "
            "see --classes"
        )
    if what == "half binary":
        save(mask, np.array([0, 1, 255] * 240, np.uint8).reshape(24, 30))
        return folder, r"masks/p0\.png: expected classes .* got 255; see"
    if what == "not a number":
        path = folder / "images" / "p2.npy"
        np.save(path, np.where(np.load(path) > 90, np.nan, 1))
        return folder, r"images/p2\.npy: expected finite numbers"
    if what == "text":
        np.save(folder / "images" / "p2.npy", np.full((26, 30), "a"))
        return folder, r"images/p2\.npy: expected numbers, got <U1"
    if what == "volume":
        np.save(folder / "images" / "p2.npy", np.zeros((26, 30, 9)))
        return folder, r"images/p2\.npy: expected height × width, or with"
    if what == "channels":
        save(image, np.zeros((24, 30, 3), np.uint8))
        return folder, r"p1\.tif: expected as many channels as p0\.png, 3, got"
    if what == "small":
        save(image, good[:9])
        save(mask, good[:9])
        return folder, r"p0\.png: expected sides of at least 16, got \(9, 30\)"
    assert what == "few"
    for n in range(2, 6):
        for place in ("images", "masks"):
            next((folder / place).glob(f"p{n}.*")).unlink()
    return folder, r"set: expected at least 3 pairs to split, got 2"


BROKEN = (
    "no folder", "no masks", "empty", "missing mask", "missing image",
    "two of one stem", "unreadable", "cut short", "unreadable array",
    "pickled array", "size", "coloured mask", "fractions", "class",
    "half binary", "not a number", "text", "volume", "channels", "small",
    "few",
)  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_said_with_the_name_of_the_file(folder, what):
    place, message = broken(folder, what)
    with pytest.raises(FolderError, match=message):
        read_folder(place, crop=16)


def test_all_that_is_wrong_is_said_at_once(folder, capsys):
    for what in ("unreadable", "unreadable array"):
        broken(folder, what)
    (folder / "masks" / "p4.png").write_bytes(b"")
    assert main(["--data", str(folder), *SMALL]) == 2
    found = capsys.readouterr().err
    assert re.findall(r"(\w+/p\d\.\w+): cannot", found) == [
        "images/p0.png", "images/p2.npy", "masks/p4.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--losses", "dice,dise"], "no loss dise; there are cross_entropy"),
        (["--rates", "fast"], "expected positive numbers with commas"),
        (["--rates", "0"], "expected positive numbers with commas"),
        (["--steps", "0"], "expected a whole number of at least 1, got 0"),
        (["--classes", "1"], "expected at least 2, the background included"),
        (["--width", "6"], "expected a multiple of 4, got 6"),
        (["--group", "("], r"expected a regular expression, got \("),
    ],
)
def test_a_wrong_argument_ends_with_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(message, said)


def test_a_bare_install_is_told_what_is_missing():
    code = (
        "import sys; sys.modules['tqdm'] = None; "
        "import handbook_code.bench.segmentation"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert (
        "the bench needs: pip install 'handbook-code[bench]'"
        in (ended.stderr.splitlines()[-1])
    )


def test_a_device_that_is_not_there_ends_with_2(folder, capsys):
    asked = ["--data", str(folder), *SMALL, "--device", "xla"]
    assert main(asked) == 2
    assert "--device: cannot use xla" in capsys.readouterr().err


def test_help_fits_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    said = capsys.readouterr().out
    assert end.value.code == 0 and COMMAND in said
    assert max(map(len, said.splitlines())) <= 80
    assert all(name in said for name in LOSSES)


def run(folder, out, *more):
    return main(["--data", str(folder), "--out", str(out), *SMALL, *more])


def scores(out):
    """Without what two runs may differ in."""
    found = json.loads((out / "record.json").read_text("utf8"))
    for each in found["runs"]:
        del each["seconds"]
    return found["runs"]


def test_a_folder_is_trained_on(folder, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["--losses", "dice,boundary_dice", "--seeds", "2"]
    assert run(folder, out, *asked, "--rates", "0.01,0.03") == 0
    runs = scores(out)
    assert [each["role"] for each in runs].count("tuning") == 4
    assert [each["role"] for each in runs].count("run") == 4
    assert all(0 <= each["dice"] <= 1 for each in runs if "dice" in each)
    said = capsys.readouterr().out
    assert "4 pictures to train, 1 to choose, 1 to judge" in said
    assert re.search(r"boundary_dice +0\.0\d +\d\.\d{3} ±", said)


def test_the_record_says_the_threads_and_they_end_with_it(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()
    assert before == 1
    assert run(folder, tmp_path, "--losses", "dice", "--seeds", "1") == 0
    record = json.loads((tmp_path / "record.json").read_text("utf8"))
    assert record["threads"] == 2
    assert torch.get_num_threads() == before
    assert torch.tensor([1e-40]).mul(1.0).item() > 0


def test_several_classes_are_trained_on(folder, tmp_path):
    for path in (folder / "masks").iterdir():
        mask = np.zeros((24 + int(path.stem[1:]), 30), np.uint8)
        mask[4:12, 4:12], mask[14:20, 14:28] = 1, 2
        save(path, mask)
    out = tmp_path / "out"
    asked = ["--classes", "3", "--losses", "dice_focal", "--seeds", "1"]
    assert run(folder, out, *asked) == 0
    (found,) = scores(out)
    assert 0 <= found["dice"] <= 1 and "level" not in found


def test_a_killed_run_goes_on_to_the_same_end(folder, tmp_path):
    """kill -9 while it trains; the same command; the same record."""
    asked = ["--losses", "dice,cross_entropy", "--seeds", "2"]
    assert run(folder, tmp_path / "whole", *asked) == 0
    out = tmp_path / "out"
    arguments = ["--data", str(folder), "--out", str(out), *SMALL, *asked]
    child = subprocess.Popen(
        [sys.executable, "-m", "handbook_code.bench.segmentation", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    end = time.monotonic() + 120
    while not list(out.glob("checkpoints/*.pt")):
        assert child.poll() is None and time.monotonic() < end
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    done = (out / "runs.jsonl").read_text("utf8").count("\n") - 1
    assert done < 4
    assert run(folder, out, *asked) == 0
    assert scores(out) == scores(tmp_path / "whole")


def test_runs_of_other_pictures_are_not_taken_over(folder, tmp_path, capsys):
    """Neither of another folder, nor of one that has got a picture more."""
    out, asked = tmp_path / "out", ["--losses", "dice", "--seeds", "1"]
    assert run(folder, out, *asked) == 0
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert run(other, out, *asked) == 2
    assert "--restart begins anew" in capsys.readouterr().err
    for place in ("images", "masks"):
        path = folder / place / "p0.png"
        shutil.copy(path, path.with_name("p6.png"))
    assert run(folder, out, *asked) == 2
    assert run(folder, out, *asked, "--restart") == 0


def test_runs_can_be_done_again(folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(folder, out, "--losses", "dice", "--seeds", "2") == 0
    before = scores(out)
    again = ["--losses", "dice", "--seeds", "2", "--again", "dice"]
    for path in out.glob("checkpoints/*.pt"):
        path.write_bytes(b"of a loss that was wrong")
    assert run(folder, out, *again) == 0
    assert "2 runs of dice dropped" in capsys.readouterr().out
    assert scores(out) == before
    assert run(folder, out, *again[:4], "--steps", "9") == 2
    assert "--restart begins anew" in capsys.readouterr().err
    assert run(folder, out, *again[:4], "--steps", "9", "--restart") == 0

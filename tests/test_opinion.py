"""TID2013 is read from a copy, and what is wrong with a copy is named."""

import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from handbook_code.opinion import KINDS, TID2013

LINES = {
    "I01_01_1.bmp": "5.51429",
    "I01_17_2.bmp": "6.62162",
    "i25_01_1.BMP": "3.25",
}


def draw(seed, size=(40, 32), mode="RGB"):
    values = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3))
    return Image.fromarray(values.astype(np.uint8)).convert(mode)


@pytest.fixture
def copy(tmp_path):
    """A small part of the data set, with the capitals of real copies."""
    folder = tmp_path / "tid2013"
    for part in ("reference_images", "distorted_images"):
        (folder / part).mkdir(parents=True)
    for seed, name in enumerate(("I01.BMP", "i25.bmp")):
        draw(seed).save(folder / "reference_images" / name, "BMP")
    for seed, name in enumerate(("i01_01_1", "i01_17_2", "I25_01_1")):
        picture = draw(10 + seed)
        picture.save(folder / "distorted_images" / f"{name}.bmp", "BMP")
    write(folder, [f"{mos} {name}" for name, mos in LINES.items()])
    (folder / "mos_std.txt").write_bytes(b"0.13013\r\n0.2\r\n0.1\r\n")
    (folder / "distorted_images" / "Thumbs.db").write_bytes(b"no picture")
    (folder / "distorted_images" / "._i01_01_1.bmp").write_bytes(b"nor this")
    return folder


def write(folder, lines):
    text = "\r\n".join([*lines, ""])
    (folder / "mos_with_names.txt").write_bytes(text.encode())


def part(folder):
    return TID2013(folder, complete=False)


def refused(folder, *said, error=ValueError, complete=False):
    with pytest.raises(error) as caught:
        TID2013(folder, complete=complete)
    for words in said:
        assert words in str(caught.value), str(caught.value)


def test_a_copy_is_read_whatever_the_capitals(copy):
    data = part(copy)
    assert len(data) == 3 and "3 pictures" in repr(data)
    reference, distorted, mos, std, name, kind, level = data[1]
    assert reference.shape == distorted.shape == (3, 32, 40)
    assert (name, kind, level) == ("i01_17_2", 17, 2)
    assert KINDS[kind - 1] == "contrast"
    assert mos == pytest.approx(6.62162) and std == pytest.approx(0.2)
    expected = np.asarray(draw(11)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(distorted, expected, atol=1e-7)
    pure = np.asarray(draw(1)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(data[2].reference, pure, atol=1e-7)


def test_columns_are_those_of_the_samples(copy):
    data = part(copy)
    assert data.references.tolist() == [1, 1, 25]
    assert data.kinds.tolist() == [row.kind for row in data]
    assert data.levels.tolist() == [row.level for row in data]
    assert data.names == [row.name for row in data]
    assert data.mos.tolist() == [row.mos for row in data]


def test_samples_come_in_batches(copy):
    batch = next(iter(DataLoader(part(copy), batch_size=2)))
    assert batch.reference.shape == (2, 3, 32, 40)
    assert batch.mos.tolist() == pytest.approx([5.51429, 6.62162])
    assert list(batch.name) == ["i01_01_1", "i01_17_2"]


def test_the_environment_names_the_copy(copy, monkeypatch):
    monkeypatch.setenv("HANDBOOK_TID2013", str(copy))
    assert len(TID2013(complete=False)) == 3
    monkeypatch.delenv("HANDBOOK_TID2013")
    with pytest.raises(FileNotFoundError, match="HANDBOOK_TID2013, got none"):
        TID2013()


def test_deviations_are_optional(copy):
    (copy / "mos_std.txt").unlink()
    assert all(math.isnan(row.std) for row in part(copy))


def test_pictures_may_be_converted(copy):
    old = copy / "distorted_images" / "i01_01_1.bmp"
    with Image.open(old) as picture:
        picture.save(old.with_suffix(".png"))
    before = part(copy)[0].distorted
    old.unlink()
    torch.testing.assert_close(part(copy)[0].distorted, before)


def test_folders_may_have_capitals_too(copy):
    (copy / "reference_images").rename(copy / "Reference_Images")
    (copy / "mos_with_names.txt").rename(copy / "MOS_with_names.txt")
    assert len(part(copy)) == 3


def test_the_same_picture_twice_does_no_harm(copy):
    folder = copy / "reference_images"
    shutil.copy(folder / "i25.bmp", folder / "I25.BMP")
    assert len(part(copy)) == 3
    draw(99).save(folder / "I25.BMP", "BMP")
    refused(copy, "i25.bmp: expected each picture once", "I25.BMP")


def test_missing_folders(copy, tmp_path):
    gone = FileNotFoundError
    refused(tmp_path / "nowhere", "nowhere, which is not there", error=gone)
    refused(copy / "mos_std.txt", "which is no folder", error=gone)
    refused(tmp_path, "the folder distorted_images in it", "tid2013",
            error=gone)  # fmt: skip
    shutil.rmtree(copy / "reference_images")
    refused(copy, "the folder reference_images", error=gone)


def test_missing_list(copy):
    (copy / "mos_with_names.txt").unlink()
    refused(copy, "mos_with_names.txt: expected the list of scores",
            error=FileNotFoundError)  # fmt: skip


def test_empty_list(copy):
    write(copy, [])
    refused(copy, "expected a line a picture, got none")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("5,25 i01_17_2.bmp", "a score from 0 to 9, got '5,25'"),
        ("nan i01_17_2.bmp", "a score from 0 to 9, got 'nan'"),
        ("9.1 i01_17_2.bmp", "a score from 0 to 9, got '9.1'"),
        ("-0.1 i01_17_2.bmp", "a score from 0 to 9, got '-0.1'"),
        ("i01_17_2.bmp 5.25", "a score from 0 to 9, got 'i01_17_2.bmp'"),
        ("5.25", "a score and a name, such as '5.51429 I01_01_1.bmp'"),
        ("5.25 i01 17_2.bmp", "got '5.25 i01 17_2.bmp'"),
        ("5.25 i26_17_2.bmp", "I25_24_5.bmp, got 'i26_17_2.bmp'"),
        ("5.25 i01_25_2.bmp", "I25_24_5.bmp, got 'i01_25_2.bmp'"),
        ("5.25 i01_17_6.bmp", "I25_24_5.bmp, got 'i01_17_6.bmp'"),
        ("5.25 i01_17_0.bmp", "I25_24_5.bmp, got 'i01_17_0.bmp'"),
        ("5.25 img7.jpg", "I25_24_5.bmp, got 'img7.jpg'"),
        ("5.25 i01_01_1.bmp", "got 'i01_01_1.bmp' of line 1 again"),
    ],
)
def test_a_line_that_is_wrong(copy, line, said):
    lines = [f"{mos} {name}" for name, mos in LINES.items()]
    write(copy, [lines[0], line, lines[2]])
    refused(copy, "mos_with_names.txt, line 2: expected", said)


def test_a_missing_line(copy):
    lines = [f"{mos} {name}" for name, mos in LINES.items()]
    write(copy, lines[:2])
    (copy / "mos_std.txt").write_text("0.1\n0.2\n")
    refused(copy, "expected a line for i25_01_1.bmp, got none")


def test_deviations_that_do_not_fit(copy):
    (copy / "mos_std.txt").write_text("0.1\n0.2\n")
    refused(copy, "each of the 3 in mos_with_names.txt, got 2")
    (copy / "mos_std.txt").write_text("0.1\n-1\nx\n")
    refused(copy, "line 2: expected a deviation ≥ 0, got '-1'", "got 'x'")


def test_missing_pictures(copy):
    (copy / "distorted_images" / "i01_17_2.bmp").unlink()
    (copy / "reference_images" / "i25.bmp").unlink()
    refused(
        copy,
        "line 2: expected the picture distorted_images/i01_17_2.bmp",
        "reference_images: expected I25.BMP, got no such file",
    )


def test_no_picture(copy):
    path = copy / "distorted_images" / "i01_17_2.bmp"
    path.write_bytes(b"<html>not found</html>")
    refused(copy, "distorted_images/i01_17_2.bmp: expected a picture")
    path.write_bytes(b"")
    refused(copy, "distorted_images/i01_17_2.bmp: expected a picture")


def test_a_picture_that_was_cut_off(copy):
    path = copy / "distorted_images" / "i01_17_2.bmp"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"i01_17_2\.bmp: expected a pict"):
        part(copy)[1]


def test_grey_pictures_and_wrong_sizes(copy):
    grey = draw(3, mode="L")
    grey.save(copy / "distorted_images" / "i01_17_2.bmp", "BMP")
    refused(copy, "i01_17_2.bmp: expected three colours", "mode 'L'")
    large = draw(3, size=(44, 32))
    large.save(copy / "distorted_images" / "i01_17_2.bmp", "BMP")
    refused(copy, "size of its reference, 40 × 32, got 44 × 32")


def test_the_whole_of_it_is_asked_for_by_default(copy):
    refused(
        copy,
        "expected a line for i01_01_2.bmp, got none",
        "… and 2989 more",
        complete=True,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All 3000 names, every picture of a reference the same."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("reference_images", "distorted_images"):
        (folder / name).mkdir()
    draw(0, size=(512, 384)).save(folder / "reference_images" / "I01.BMP")
    first, lines = folder / "reference_images" / "I01.BMP", []
    for r in range(1, 26):
        if r > 1:
            (first.parent / f"I{r:02}.BMP").hardlink_to(first)
        for k in range(1, 25):
            for n in range(1, 6):
                name = f"i{r:02}_{k:02}_{n}.bmp"
                (folder / "distorted_images" / name).hardlink_to(first)
                lines.append(f"{9 - n:.5f} {name}")
    write(folder, lines)
    return folder


def test_a_whole_copy(whole):
    data = TID2013(whole)
    assert len(data) == 3000 and data[2999].name == "i25_24_5"
    assert data.references.unique().tolist() == list(range(1, 26))
    assert torch.equal(data.kinds.unique(), torch.arange(1, len(KINDS) + 1))
    assert data.levels.bincount().tolist() == [0, *[600] * 5]
    assert data[7].reference.shape == (3, 384, 512)


def test_the_size_of_a_whole_copy_is_known(whole):
    path = whole / "distorted_images" / "i03_04_5.bmp"
    path.unlink()
    draw(0, size=(384, 512)).save(path)
    refused(whole, "i03_04_5.bmp: expected 512 × 384 pixels, got 384 × 512",
            complete=True)  # fmt: skip

"""The loader of CIFAR-10, on small files that are written as those are."""

import struct

import numpy as np
import pytest
import torch

from handbook_code.data import cifar10

NAMES = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]


def text(value):
    """A string of Python 2, which the published files have."""
    return b"U" + bytes([len(value)]) + value


def pickled(array, key=b"data"):
    """A dictionary of one array of bytes, in the protocol of Python 2."""
    rows, columns = array.shape
    size = b"J" + struct.pack("<i", rows) + b"J" + struct.pack("<i", columns)
    kind = f"{array.dtype.kind}{array.dtype.itemsize}".encode()
    data = array.tobytes()
    return b"".join(
        [
            b"\x80\x02}", text(key),
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n",
            b"K\x00\x85", text(b"b"), b"\x87R(K\x01", size, b"\x86",
            b"cnumpy\ndtype\n", text(kind), b"K\x00K\x01\x87R(K\x03",
            text(b"|"), b"NNN", b"J\xff\xff\xff\xff" * 2, b"K\x00tb\x89",
            b"T" + struct.pack("<i", len(data)) + data, b"tbs.",
        ]
    )  # fmt: skip


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(0, 256, (3, 3072), dtype=np.uint8) for name in NAMES
    }


@pytest.fixture
def folder(tmp_path, pictures):
    for name, array in pictures.items():
        (tmp_path / name).write_bytes(pickled(array))
    return tmp_path


def test_pictures_come_back_in_order(folder, pictures):
    train, test = cifar10(folder)
    assert train.shape == (15, 3, 32, 32) and test.shape == (3, 3, 32, 32)
    assert train.dtype == test.dtype == torch.uint8
    # A row is 1024 red numbers, then green, then blue, each line by line.
    row = pictures["data_batch_2"][1]
    assert train[4, 1, 2, 5] == row[1024 + 2 * 32 + 5]
    assert test[2, 2, 31, 31] == pictures["test_batch"][2][-1]


def test_the_folder_is_named_by_the_environment_too(folder, monkeypatch):
    monkeypatch.setenv("HANDBOOK_CIFAR10", str(folder))
    assert torch.equal(cifar10()[0], cifar10(folder)[0])


def test_the_folder_around_it_will_do(folder, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    folder.rename(outer / "cifar-10-batches-py")
    assert len(cifar10(outer)[0]) == 15


def test_no_folder(monkeypatch):
    monkeypatch.delenv("HANDBOOK_CIFAR10", raising=False)
    with pytest.raises(FileNotFoundError, match="HANDBOOK_CIFAR10, got neit"):
        cifar10()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name}: expected a file"):
        cifar10(folder)


@pytest.mark.parametrize("left", [0, 1, 30, 200, 5000, -1])
def test_a_truncated_file_is_named(folder, left):
    whole = (folder / "data_batch_3").read_bytes()
    (folder / "data_batch_3").write_bytes(whole[:left])
    with pytest.raises(ValueError, match="data_batch_3: expected a whole"):
        cifar10(folder)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 1024), np.uint8),
        np.zeros((3, 3072), np.int8),
        np.zeros((0, 3072), np.uint8),
    ],
)
def test_another_shape_or_type(folder, array):
    (folder / "test_batch").write_bytes(pickled(array))
    with pytest.raises(ValueError, match=r"test_batch: expected bytes \(N, "):
        cifar10(folder)


def test_another_dictionary(folder):
    file = folder / "data_batch_1"
    file.write_bytes(pickled(np.zeros((1, 3072), np.uint8), b"images"))
    with pytest.raises(ValueError, match="data_batch_1: expected a dictiona"):
        cifar10(folder)
    file.write_bytes(b"\x80\x02K\x05.")
    with pytest.raises(ValueError, match="got int without it"):
        cifar10(folder)


def test_a_pickle_that_calls_something_is_refused(folder, tmp_path):
    proof = tmp_path / "called"
    command = f"touch {proof}".encode()
    call = b"cos\nsystem\n" + text(command) + b"\x85R."
    (folder / "data_batch_1").write_bytes(b"\x80\x02" + call)
    with pytest.raises(ValueError, match=r"os\.system, which may do harm"):
        cifar10(folder)
    assert not proof.exists()


def test_not_even_of_numpy(folder):
    call = b"cnumpy.f2py.diagnose\nrun\n)R."
    (folder / "data_batch_1").write_bytes(b"\x80\x02" + call)
    with pytest.raises(ValueError, match=r"numpy\.f2py\.diagnose\.run"):
        cifar10(folder)

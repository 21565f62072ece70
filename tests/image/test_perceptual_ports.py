"""Four ports of NLPD: what each does otherwise, and the page that says so.

plenoptic is run. Of the others the loop does what their source does; the
page's few lines, made of switches, are compared with it.
"""

import importlib
import re
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import implementations
from chapters import BOOK, read
from handbook_code import laplacian_pyramid, nlpd
from handbook_code.image.perceptual import FLOORS, POOLS
from nlpd_loop import BINOMIAL, corners, matlab, pixels, squares
from peers import peer

PLENOPTIC = {"taps": BINOMIAL, "border": "mirror", "turned": False}
TENSORFLOW = {
    "border": "constant", "line": pixels, "turned": False, "far": False
}  # fmt: skip
EXPERT = {
    "border": "mirror", "line": corners, "turned": False, "far": False,
    "outside": "mirror",
}  # fmt: skip


@cache
def page() -> dict:
    """What the cells of the section define, up to the first that prints."""
    known = {
        "F": F, "FLOORS": FLOORS, "POOLS": POOLS, "torch": torch,
        "laplacian_pyramid": laplacian_pyramid,
    }  # fmt: skip
    cells = read(Path(BOOK, "image", "perceptual.md")).cells
    heads = [n for n, c in enumerate(cells) if "### Four ports" in c.source]
    for cell in cells[heads[0] :]:
        if cell.cell_type == "code" and "def " in cell.source:
            if re.search(r"^ports = ", cell.source, re.M):
                break
            exec(cell.source, known)
    return known


@pytest.fixture
def square(grey):
    """The page's ports want sides that stay even when they are halved."""
    return [picture[..., :64] for picture in grey]


def loop(pictures, **choices):
    """The mean squares, (scale, picture)."""
    x, y = (p[:, 0].double().cpu().numpy() for p in pictures)
    pairs = zip(x, y, strict=True)
    return np.stack([squares(*pair, **choices) for pair in pairs], axis=1)


@cache
def case(name):
    return next(c for c in implementations.cases() if c.name == name)


def recorded(name):
    """What the recorded lines give, and the names that they define."""
    known = {"F": F, "hc": importlib.import_module("handbook_code")}
    known["torch"] = torch
    torch.manual_seed(0)
    exec(case(name).given, known)
    return eval(case(name).theirs, known), known


def assert_page(name, pictures, expected):
    actual = page()[name](*pictures)
    torch.testing.assert_close(actual, actual.new_tensor(expected))


def test_nlpd_is_not_plenoptic_s(grey, square, monkeypatch):
    """Theirs blurs by a binomial, mirrors without the border pixel, does not
    turn the kernels, and adds 1e-10 under the root."""
    peer("plenoptic")
    pyrtools = sys.modules.get("pyrtools") or importlib.import_module(
        "pyrtools"
    )
    taps = np.array([[1.0, 4, 6, 4, 1]]).T / 16 * 2**0.5
    monkeypatch.setattr(
        pyrtools, "named_filter", {"binom5": taps}.get, raising=False
    )
    theirs = peer("plenoptic.metric").nlpd
    x, y = grey
    value = theirs(x, y)[:, 0]
    port = np.sqrt(loop(grey, **PLENOPTIC)).mean(0)
    torch.testing.assert_close(value, value.new_tensor(port))
    assert_page("plenoptic", square, theirs(*square)[:, 0].tolist())
    ours = nlpd(x, y, reduction="none")
    assert ((value / ours - 1).abs() > 0.01).all()
    assert (theirs(x, x) > 0).all() and nlpd(x, x) == 0
    same = square[0], square[0]
    assert_page("plenoptic", same, theirs(*same)[:, 0].tolist())


def test_nlpd_is_not_pyiqa_s(square):
    """Theirs has no fifth neighbour, and no slope at equal pictures."""
    x, y = square
    expected = np.sqrt(loop(square, far=False)).mean(0)
    assert_page("pyiqa", square, expected)
    ours = nlpd(x, y, reduction="none")
    off = (ours.new_tensor(expected) / ours - 1).abs()
    assert ((off > 1e-3) & (off < 0.02)).all()
    assert (
        torch.func.grad(lambda y: page()["pyiqa"](y, x).sum())(x).isnan().any()
    )
    value, known = recorded("pyiqa-nlpd")
    assert float(value) == pytest.approx(
        matlab(known["x"][0, 0], known["y"][0, 0], far=False), rel=1e-5
    )


def test_nlpd_is_not_nlpd_tensorflow_s(square):
    """Theirs has zeros around pictures, interpolates, and takes the root of
    the mean over a batch."""
    x, y = square
    means = loop(square, **TENSORFLOW)
    assert_page("nlpd_tensorflow", square, np.sqrt(means.mean(1)).mean())
    assert_page("nlpd_tensorflow", (x[:1], y[:1]), np.sqrt(means[:, 0]).mean())
    flat = torch.full((1, 1, 64, 64), 0.5)
    brighter = loop((flat + 0.1, flat), **TENSORFLOW)
    assert (brighter[:-1] > 1e-4).all()
    assert (loop((flat + 0.1, flat))[:-1] < 1e-12).all()
    value, _ = recorded("nlpd-tensorflow-frame")
    assert float(value) == pytest.approx(np.sqrt(brighter).mean(), rel=1e-4)


def test_nlpd_is_not_expert_s(square):
    """Theirs has no residual, and a norm over scales and pictures."""
    root = np.sqrt(loop(square, **EXPERT)[:-1])
    assert_page("expert", square, (root**0.6).sum() ** (1 / 0.6))
    flat = torch.full((1, 1, 64, 64), 0.5)
    assert page()["expert"](flat + 0.1, flat) < 1e-3 < nlpd(flat + 0.1, flat)
    value, _ = recorded("expert-nlpd-batch")
    one, two = (
        page()["expert"](*(torch.cat(n * [p[:1]]) for p in square))
        for n in (1, 2)
    )
    assert float(value) == pytest.approx(float(two / one), rel=1e-4)


@pytest.mark.parametrize(
    "name", ["plenoptic", "pyiqa", "nlpd_tensorflow", "expert"]
)
def test_the_page_s_ports_take_sides_that_are_not_equal(name, generator):
    x, y = torch.rand(2, 1, 1, 64, 96, generator=generator).double()
    choices, end, power = {
        "plenoptic": (PLENOPTIC, None, 1),
        "pyiqa": ({"far": False}, None, 1),
        "nlpd_tensorflow": (TENSORFLOW, None, 1),
        "expert": (EXPERT, -1, 0.6),
    }[name]
    root = np.sqrt(loop((x, y), **choices))[:end]
    norm = (root**power).sum() ** (1 / power)
    expected = norm if name == "expert" else norm / 6
    actual = page()[name](x, y).squeeze()
    torch.testing.assert_close(actual, actual.new_tensor(expected))

"""Which loss? From the shell."""

import json
import subprocess
import sys

import pytest

from handbook_code.__main__ import FOUND, NOTHING, USAGE, main


def said(capsys, *words: str) -> tuple[int, str, str]:
    status = main(words)
    return status, *capsys.readouterr()


def test_every_loss_is_listed_in_eighty_columns(capsys):
    status, out, _ = said(capsys, "list")
    _, every, _ = said(capsys, "list", "--json")
    names = [loss["name"] for loss in json.loads(every)]
    assert status == FOUND and len(names) > 70
    for name in names:
        assert f"  {name} " in out or f"  {name}\n" in out
        shown = said(capsys, "show", name)
        assert shown[0] == FOUND
        assert max(map(len, (out + shown[1]).splitlines())) <= 80


def test_one_loss_is_shown_with_code_that_runs(capsys):
    status, out, _ = said(capsys, "show", "huber")
    assert status == FOUND and out.startswith("huber_loss(input, target, ")
    assert "fails when" in out and "Huber (1964)" in out
    code = [line[4:] for line in out.splitlines() if line[:4] == "    "]
    exec("\n".join(code[code.index("import torch") :]), {})
    _, out, _ = said(capsys, "show", "huber-loss", "--json")
    assert json.loads(out)["name"] == "huber_loss"


@pytest.mark.parametrize(
    ("asked", "among", "never"),
    [
        ("--task intervals --robust", "quantile_loss", "gaussian_nll_loss"),
        (
            "--task small-objects --handles-imbalance",
            "dice_loss",
            "cross_entropy_loss",
        ),
        (
            "--task restoration --without a-network",
            "ms_ssim_l1_loss",
            "perceptual_loss",
        ),
        (
            "--task identities --without class-labels triplets",
            "info_nce_loss",
            "arcface_loss",
        ),
        ("--task numbers --smooth --robust", "log_cosh_loss", "huber_loss"),
        ("--input Boxes --bounded", "giou_loss", "mse_loss"),
    ],
)
def test_what_fits_is_chosen(capsys, asked, among, never):
    status, out, _ = said(capsys, "choose", *asked.split(), "--json")
    names = {loss["name"] for loss in json.loads(out)}
    assert status == FOUND and among in names and never not in names


def test_nothing_fits(capsys):
    words = "choose --task intervals --bounded".split()
    status, out, error = said(capsys, *words)
    assert status == NOTHING and not out and "No loss" in error
    status, out, _ = said(capsys, *words, "--json")
    assert status == NOTHING and json.loads(out) == []


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("show hubber_loss", "did you mean huber_loss"),
        ("show qwxz", "see --help"),
        ("choose --task segmentaton", "did you mean segmentation"),
        ("choose --without networks", "did you mean a network"),
        ("choose --input logit", "did you mean logits"),
    ],
)
def test_the_unknown_is_met_with_the_nearest(capsys, words, hint):
    status, out, error = said(capsys, *words.split())
    assert status == USAGE and not out and hint in error


@pytest.mark.parametrize("words", [[], ["dance"], ["show"], ["list", "all"]])
def test_no_sense_is_a_usage_error(capsys, words):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == USAGE


def test_the_command_loads_neither_torch_nor_sympy(tmp_path):
    """From an empty folder, as who installed the package would call it."""
    code = (
        "import runpy, sys; sys.argv = ['handbook_code', 'list']\n"
        "try: runpy.run_module('handbook_code', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'sympy', 'numpy', 'matplotlib'} & {*sys.modules}\n"
        "assert not heavy, heavy"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr

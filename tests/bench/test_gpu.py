"""The bench of graphics cards runs where there is none, and judges rightly."""

import json

import pytest
import torch

from handbook_code.bench import gpu, roads, speed
from handbook_code.bench.workloads import Workload, cards
from handbook_code.bench.workloads.cards import on_a_card

WORKS = on_a_card()
CPU = torch.device("cpu")


def run(tmp_path, *arguments):
    given = ["--device", "cpu", "--size", "tiny", "--rounds", "1"]
    code = gpu.main([*given, "--out", str(tmp_path), *arguments])
    return code, json.loads((tmp_path / "record.json").read_text("utf8"))


def measured(work, *arguments):
    asked = gpu._parser().parse_args(["--size", "tiny", *arguments])
    return gpu.measure(work, asked, gpu.Clock(CPU))


@pytest.mark.parametrize("name", WORKS)
def test_every_loss_has_a_kernel_or_a_road_that_agrees(name):
    """The compiled roads take a minute each: two losses below have them."""
    plain = "formula", speed.OURS, "triton"
    run = measured(WORKS[name], "--roads", *plain, "--rounds", "1")
    for road, found in run["by"].items():
        assert "failed" not in found, (road, found)
        assert found["gap"] < speed.ALIKE, road
    assert run["least_bytes"] > 0


@pytest.mark.parametrize("name", ["hinge_loss", "ciou_loss", "arcface_loss"])
def test_the_compiled_roads_agree(name):
    compiled = "formula", "compiled", "compiled in one"
    run = measured(
        WORKS[name], "--roads", *compiled, "--compiler", "aot_eager"
    )
    assert run["by"].keys() == set(compiled)
    for road, found in run["by"].items():
        assert found["gap"] < speed.ALIKE, (road, found)


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch, capsys):
    some = "--losses", "focal_loss", "--roads", "formula", "torchvision"
    code, first = run(tmp_path, *some)
    (found,) = first["runs"]
    assert code == 0 and found["goal"] == 0.85 and not found["operations"]
    assert first["copied"] > 0 and first["multiplied"] > 0
    assert first["card"] is None and first["precision"] == "highest"
    monkeypatch.setattr(gpu, "measure", lambda *a: pytest.fail("again"))
    assert run(tmp_path, *some)[1]["runs"] == first["runs"]
    out = capsys.readouterr().out
    assert "85% not reached" in out and "torchvision" in out


def test_a_road_that_fails_is_told_and_the_others_go_on():
    def broken():
        return lambda *tensors: 1 / 0

    focal = WORKS["focal_loss"]
    work = Workload(
        "focal_loss", focal.ours, {"broken": broken}, focal.make, focal.sizes
    )
    run = measured(work, "--roads", "formula", "broken")
    assert (
        run["by"]["broken"]["failed"] == "ZeroDivisionError: division by zero"
    )
    assert run["by"]["formula"]["ms"] > 0


def judged(goal, operations=None, **milliseconds):
    record = {"copied": 1e9, "multiplied": 1e12}
    run = {
        "least_bytes": 1e6,  # one millisecond
        "operations": operations,
        "goal": goal,
        "by": {name: {"ms": ms} for name, ms in milliseconds.items()},
    }
    run["by"]["broken"] = {"failed": "?"}
    return gpu.verdict(record, run)


def test_the_verdict_is_on_our_best_road_alone():
    found = judged(0.85, formula=4, compiled=2, peer=1)
    assert found == "85% not reached, 50% compiled"
    found = judged(0.85, compiled=2, triton=1.1)
    assert found == "85% reached, 91% triton"
    found = judged(0.5, operations=1e9, triton=4)  # one millisecond too
    assert found == "50% not reached, 25% triton"
    assert judged(None, triton=1) == "no goal"
    assert judged(0.5, peer=1) == "nothing ran"


def test_the_goals_are_those_of_the_issue():
    """All pointwise, margin, box and focal losses: 85 % of the copy."""
    bound = {
        name for name, work in WORKS.items() if cards.goal(work) is cards.BYTES
    }
    assert {"mse_loss", "hinge_loss", "ciou_loss", "focal_loss"} <= bound
    draw = torch.Generator()
    for work in WORKS.values():
        aim = cards.goal(work)
        if aim and aim.products:
            tensors = work.tensors("tiny", draw)
            assert aim.products(*tensors) >= 6 * tensors[0].numel()
    for name in bound:
        count = WORKS[name].sizes["full"][0]
        assert count * (4 if "iou" in name else 1) == 1 << 26


def test_slopes_of_one_graph_are_those_of_autograd():
    work = WORKS["log_cosh_loss"]
    loss = roads.roads(work, "eager")["compiled in one"]
    x, y = work.tensors("tiny", torch.Generator())
    x.requires_grad_()
    (ours,) = torch.autograd.grad(2 * loss(x, y), x)
    (right,) = torch.autograd.grad(2 * work.ours(x, y), x)
    torch.testing.assert_close(ours, right)

"""The bench of speed runs, agrees with the peers, and tells what is wrong."""

import json
from functools import partial

import pytest
import torch

from handbook_code import focal_loss, sinkhorn_divergence
from handbook_code.bench import meter, speed, workloads
from handbook_code.bench.record import RECORDS, read_record
from handbook_code.bench.workloads import Workload

WORKS = workloads.workloads()
RECORDED = {"loss", "size", "threads", "elements", "least_bytes", "by"}


@pytest.mark.parametrize("work", WORKS.values(), ids=list(WORKS))
def test_a_peer_gives_the_same_value_and_gradient(work):
    """At the least size; those of another convention are named as such."""
    size = next(iter(work.sizes))
    peers = speed.installed(work)
    run = speed.measure(work, size, peers, torch.device("cpu"), 1)
    for name, found in run["by"].items():
        assert found["ms"] > 0
        if name not in work.differ:
            assert found["gap"] <= speed.ALIKE, name
    assert work.differ.keys() <= work.peers.keys()


@pytest.mark.parametrize("size", ["100×3", "300×3"])
def test_two_sinkhorn_divergences_are_timed_equally_near_the_limit(size):
    """In value and slopes."""
    work = WORKS["sinkhorn_divergence, equally near its limit"]
    loss = partial(sinkhorn_divergence, epsilon=0.005)
    tensors = work.tensors(size, torch.Generator())
    for tensor in tensors:
        tensor.requires_grad_()
    exact = [t.detach().double().requires_grad_() for t in tensors]
    limit = answer(partial(loss, iterations=1000), exact)
    ours = answer(work.ours, tensors)
    for theirs in speed.installed(work).values():
        theirs = answer(theirs, tensors)
        for mine, other, right in zip(ours, theirs, limit, strict=True):
            gaps = [(z - right).norm() / right.norm() for z in (mine, other)]
            assert gaps[0] < 1.5 * gaps[1] < 0.2


def answer(loss, tensors):
    value = loss(*tensors)
    return value.detach(), *torch.autograd.grad(value, tensors)


@pytest.mark.parametrize("work", WORKS.values(), ids=list(WORKS))
def test_sizes_grow_and_draws_repeat(work):
    assert len(work.sizes) >= 3
    draw = torch.Generator()
    first, second = (
        work.tensors(next(iter(work.sizes)), draw) for _ in range(2)
    )
    assert all(map(torch.equal, first, second))


def run(tmp_path, *arguments):
    return speed.main(["--out", str(tmp_path), "--rounds", "1", *arguments])


def record(tmp_path):
    return json.loads((tmp_path / "record.json").read_text("utf8"))


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch, capsys):
    some = ("--losses", "focal_loss", "--sizes", "small")
    assert run(tmp_path, *some) == 0
    first = record(tmp_path)
    assert first["runs"][0].keys() == RECORDED
    assert first["copied"] > 1e8 and first["device"] == "cpu"
    monkeypatch.setattr(speed, "measure", lambda *a: pytest.fail("again"))
    assert run(tmp_path, *some) == 0
    assert record(tmp_path)["runs"] == first["runs"]
    assert "focal_loss" in capsys.readouterr().out


def test_a_missing_peer_is_left_out_by_name(capsys):
    def missing():
        raise ImportError("No module named 'nowhere'")

    focal = WORKS["focal_loss"]
    work = Workload(
        "focal_loss", focal_loss, {"nowhere": missing}, focal.make, focal.sizes
    )
    assert speed.installed(work) == {}
    assert "without nowhere" in capsys.readouterr().err


def test_only_the_peers_asked_for_run(tmp_path):
    run(tmp_path, "--losses", "focal_loss", "--sizes", "small",
        "--peers", "torchvision")  # fmt: skip
    (found,) = record(tmp_path)["runs"]
    assert found["by"].keys() <= {speed.OURS, "torchvision"}


@pytest.mark.parametrize(
    "arguments", [("--losses", "nothing"), ("--sizes", "huge")]
)
def test_a_wrong_argument_is_refused(tmp_path, arguments):
    with pytest.raises(SystemExit) as stop:
        run(tmp_path, *arguments)
    assert stop.value.code == 2


def test_an_unusable_device_is_told(tmp_path, capsys):
    assert run(tmp_path, "--device", "nowhere") == 2
    assert "--device: cannot use nowhere" in capsys.readouterr().err


def test_a_plan_is_not_mixed_with_another(tmp_path, capsys):
    some = ("--losses", "focal_loss", "--sizes", "small")
    run(tmp_path, *some)
    assert run(tmp_path, *some, "--rounds", "2") == 2
    assert "--restart" in capsys.readouterr().err


def test_the_peak_is_what_a_loss_holds():
    x = torch.ones(4_000_000, requires_grad=True)
    held = meter.peak(lambda x: (2 * x).exp().sum(), [x])
    # The power, and the double while it is needed or a slope after it.
    assert held == pytest.approx(2 * x.nbytes, rel=1e-3)


def test_medians_are_taken_in_turns():
    calls = []

    def loss(name):
        def value(x):
            calls.append(name)
            return x.sum()

        return value

    x = torch.ones(3, requires_grad=True)
    losses = {name: loss(name) for name in "ab"}
    found = meter.alternate(losses, [x], rounds=3)
    assert found.keys() == losses.keys() and min(found.values()) > 0
    turns = [name for n, name in enumerate(calls) if name != calls[n - 1]]
    assert turns.count("a") >= 3 and turns.count("b") >= 3


def test_the_record_is_of_every_workload_at_every_size():
    runs = read_record(RECORDS / "speed.json")["runs"]
    found = [(run["loss"], run["size"]) for run in runs]
    wanted = [(n, size) for n, work in WORKS.items() for size in work.sizes]
    assert sorted(found) == sorted(wanted), "run: make bench"
    draw = torch.Generator()
    for run in runs:
        work = WORKS[run["loss"]]
        assert run["by"].keys() == {speed.OURS, *work.peers}
        if run["elements"] < 1e6:
            leaves = work.tensors(run["size"], draw)[: work.slopes]
            assert run["elements"] == sum(leaf.numel() for leaf in leaves)
        for name, found in run["by"].items():
            if name not in work.differ:
                # In float32, differences of sums over a million lose digits.
                assert found["gap"] <= 20 * speed.ALIKE, (run["loss"], name)

"""Kernels for graphics cards against the formulas, in value and slope.

Without a card they are run by Triton's interpreter, which tells whether they
are right, and not whether they are fast or fit a card.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="triton is not installed")

from handbook_code import (
    adaface_loss,
    arcface_loss,
    cosface_loss,
    cross_entropy_loss,
    entropic_transport,
    focal_loss,
    formulas_only,
    info_nce_loss,
    sinkhorn_divergence,
    sphereface_loss,
    ssim_loss,
)
from handbook_code._triton import line_up, pull, soft_minimum
from handbook_code._triton.cross_entropy import cross_entropy
from handbook_code._triton.focal import focal
from handbook_code._triton.ssim import ssim
from handbook_code.bench.roads import with_slopes
from handbook_code.generative import _fast_transport
from handbook_code.metric import _fast_angular, _fast_euclidean

INF = float("inf")


def check(found, loss, tensors, slopes=1, digits=3e-5, **keywords):
    """Against the formula in float64; slopes in units of the largest."""
    value, by_kernel = found
    wide = [t.double() if t.is_floating_point() else t for t in tensors]
    for tensor in wide[:slopes]:
        tensor.requires_grad_()
    with formulas_only():
        right = loss(*wide, **keywords)
        by_formula = torch.autograd.grad(right, wide[:slopes])
    torch.testing.assert_close(
        value.double(), right.detach(), rtol=digits, atol=1e-7
    )
    for ours, theirs in zip(by_kernel, by_formula, strict=False):
        size = theirs.abs().max().item()
        torch.testing.assert_close(
            ours.double(), theirs, rtol=digits, atol=digits * size
        )


focals = pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"alpha": None, "gamma": 0.0},
        {"alpha": 0.6, "gamma": 0.5, "reduction": "sum"},
    ],
)


@focals
def test_focal_at_an_odd_size(device, generator, keywords):
    z = 4 * torch.randn(2051, generator=generator)
    y = (torch.rand(2051, generator=generator) < 0.3).float()
    y[:100] = 0.25  # soft
    check(focal(z, y, **keywords), focal_loss, (z, y), **keywords)


@focals
def test_focal_keeps_the_digits_of_small_and_large(device, keywords):
    z = torch.tensor([-80.0, -20.0, -9.0, 0.0, 9.0, 20.0, 80.0])
    for label in (0.0, 1.0):
        y = torch.full_like(z, label)
        _, (slope,) = focal(z, y, **keywords)
        x = z.double().requires_grad_()
        focal_loss(x, y.double(), **keywords).backward()
        right = x.grad.float()
        held = right.abs() > 1e-35
        assert slope.isfinite().all()
        torch.testing.assert_close(slope[held], right[held])


def test_focal_of_half_precision(device, generator):
    z = torch.randn(300, generator=generator).half()
    y = (torch.rand(300, generator=generator) < 0.3).half()
    value, (slope,) = focal(z, y)
    assert value.dtype == slope.dtype == torch.float16
    check((value, (1000 * slope.float() / 1000,)), focal_loss, (z, y),
          digits=2e-3)  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("classes", [2, 37, 16_400])  # the last: two tiles
def test_cross_entropy(device, generator, classes, smoothing, reduction):
    keywords = {"label_smoothing": smoothing, "reduction": reduction}
    z = 3 * torch.randn(7, classes, generator=generator) + 1000
    t = torch.randint(classes, (7,), generator=generator)
    t[2] = -100
    check(cross_entropy(z, t, **keywords), cross_entropy_loss, (z, t),
          **keywords)  # fmt: skip


def test_cross_entropy_of_what_is_masked_ignored_or_wrong(device):
    z = torch.tensor([[-INF, 1.0, 2.0], [0.0, float("nan"), 1.0]])
    t = torch.tensor([2, -1])
    found = cross_entropy(z, t, ignore_index=-1)
    assert found[1][0][1].eq(0).all()
    check((found[0], [found[1][0][:1]]), cross_entropy_loss, (z[:1], t[:1]))
    value, _ = cross_entropy(z[:1], torch.tensor([0]))
    assert value == INF
    value, _ = cross_entropy(z[:1], torch.tensor([2]), label_smoothing=0.1)
    assert value == INF
    value, _ = cross_entropy(z[:1], torch.tensor([3]))
    assert value.isnan()
    value, (slope,) = cross_entropy(z, torch.tensor([-1, -1]), ignore_index=-1)
    assert value == 0 and slope.eq(0).all()


@pytest.fixture
def by_kernel(monkeypatch):
    """Passes of pairs, with the kernel for what they do most."""
    for module in (_fast_euclidean, _fast_angular):
        monkeypatch.setattr(module, "line_up", line_up.line_up)
    monkeypatch.setattr(_fast_transport, "_transport", soft_minimum.transport)


@pytest.mark.parametrize("negatives", [0, 45])
@pytest.mark.parametrize("rows, width", [(1, 3), (70, 20), (130, 64)])
def test_info_nce(device, by_kernel, generator, rows, width, negatives):
    x, y = torch.randn(2, rows, width, generator=generator).unbind()
    given = [x, x + y]
    if negatives:
        given.append(torch.randn(negatives, width, generator=generator))
    wanted = (True, True, negatives > 0)
    found = info_nce_loss.one_pass(*given, wanted=wanted)
    check(found, info_nce_loss, given, slopes=len(given))


@pytest.mark.parametrize(
    "loss", [sphereface_loss, cosface_loss, arcface_loss, adaface_loss]
)
def test_angular_margins(device, by_kernel, generator, loss):
    x = torch.randn(70, 20, generator=generator)
    w = torch.randn(131, 20, generator=generator)
    t = torch.randint(131, (70,), generator=generator)
    found = loss.one_pass(x, w, t, wanted=(True, True))
    check(found, loss, (x, w, t), slopes=2, digits=1e-4)


def test_a_line_up_without_others_or_far_away(device):
    """One candidate, which is one's own; and logits whose exp is infinite."""
    x = torch.tensor([[300.0, 0.0]])
    own, place = torch.tensor([[5.0]]), torch.tensor([[0]])
    loss, weight, in_x, in_c = line_up.line_up(x, x, own, place)
    assert loss == 0 and weight == 0
    assert in_x.eq(0).all() and in_c.eq(0).all()
    loss, weight, in_x, in_c = line_up.line_up(x, x, own, None)
    assert loss == 300**2 - 5 and weight == 1
    torch.testing.assert_close(in_x, x)
    torch.testing.assert_close(in_c, x)


@pytest.mark.parametrize("sizes", [(70, 141), (141, 70)])
@pytest.mark.parametrize("epsilon", [0.3, 0.003])
@pytest.mark.parametrize("loss", [entropic_transport, sinkhorn_divergence])
def test_transport(device, generator, monkeypatch, loss, epsilon, sizes):
    """After few rounds and after many, with a point that weighs nothing."""
    x, y = (torch.rand(n, 3, generator=generator) for n in sizes)
    a, b = (torch.rand(n, generator=generator) for n in sizes)
    b[0] = 0
    given = x, 0.8 * y + 0.3
    for iterations in (1, 6):
        keywords = {"epsilon": epsilon, "iterations": iterations}
        found = {}
        for dtype in (torch.double, torch.float32):
            if dtype == torch.float32:
                by_kernel = soft_minimum.transport
                monkeypatch.setattr(_fast_transport, "_transport", by_kernel)
            cast = [t.to(dtype) for t in (*given, a, b)]
            value, slopes = loss.one_pass(
                *cast[:2], a=cast[2], b=cast[3], wanted=[True] * 4, **keywords
            )
            found[dtype] = [t.double() for t in (value, *slopes)]
            monkeypatch.undo()
        for ours, right in zip(found[dtype], found[torch.double], strict=True):
            seen = right.isfinite()  # where a weight is 0, its slope is not
            size = right[seen].abs().max().item()
            torch.testing.assert_close(
                ours[seen], right[seen], rtol=1e-4, atol=1e-4 * size
            )


def test_transport_is_that_of_the_formula(device, by_kernel, generator):
    x, y = torch.rand(2, 30, 3, generator=generator).unbind()
    keywords = {"epsilon": 0.3, "iterations": 100}
    for loss in (entropic_transport, sinkhorn_divergence):
        wanted = (True, True, False, False)
        found = loss.one_pass(x, y, wanted=wanted, **keywords)
        check(found, loss, (x, y), slopes=2, digits=1e-4, **keywords)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(1, 1, 11, 11), (2, 3, 54, 101)])
def test_ssim(device, generator, shape, reduction):
    y = 0.3 * torch.rand(shape, generator=generator)
    y += torch.linspace(0, 0.7, shape[-1]) + 5  # far from zero
    x = 0.9 * y + 0.1 * torch.rand(shape, generator=generator)
    keywords = {"data_range": 1.0, "reduction": reduction}
    check(ssim(x, y, **keywords), ssim_loss, (x, y), digits=1e-4, **keywords)


def test_a_slope_is_touched_only_by_a_pull_that_is_not_one(device, generator):
    slope = torch.randn(5003, generator=generator)
    kept = slope.clone()
    assert pull.times_(slope, torch.tensor(1.0)) is slope
    assert torch.equal(slope, kept)
    torch.testing.assert_close(
        pull.times_(slope, torch.tensor(-2.5)), -2.5 * kept
    )


def test_a_loss_by_its_slopes_is_differentiated_as_often_as_asked(device):
    x = torch.tensor([0.5, -2.0, 3.0], requires_grad=True)
    y = torch.tensor([1.0, 0.0, 1.0])
    loss = with_slopes(focal)(x, y)
    (first,) = torch.autograd.grad(3 * loss, x, retain_graph=True)
    (again,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(first, 3 * again)
    (right,) = torch.autograd.grad(focal_loss(x, y), x)
    torch.testing.assert_close(again, right)


def test_every_kernel_compiles_for_a_card(tmp_path):
    """Also where there is none; a process of its own does not interpret."""
    script = Path(__file__).with_name("compile_kernels.py")
    env = {"PATH": "/usr/bin:/bin", "TRITON_CACHE_DIR": str(tmp_path)}
    env["PYTHONPATH"] = ":".join(p for p in sys.path if p)
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=env
    )
    assert run.returncode == 0, run.stderr[-2000:]
    compiled = {line.split()[0] for line in run.stdout.splitlines()}
    code = script.parents[1] / "handbook_code" / "_triton"
    written = "".join(p.read_text("utf8") for p in code.glob("*.py"))
    assert all(f"def {name}(" in written for name in compiled)
    # Each that is launched is compiled.
    launched = {
        line.split("[")[0].split("=")[-1].strip()
        for line in written.splitlines()
        if line.strip().startswith("_") and "[(" in line
    }
    assert launched and launched <= compiled

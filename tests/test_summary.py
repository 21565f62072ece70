"""What is said of a loss at a glance is complete, and is so."""

import json
import re
import tomllib

import pytest
import sympy as sp
import torch

from handbook_code import huber_loss, quantile_loss, rmse_loss
from handbook_code.bench.workloads import workloads
from handbook_code.catalogue import CATALOGUE, summary

ADVICE = tomllib.loads(summary.ADVICE.read_text("utf8"))
LISTS = ADVICE.pop("lists")
SAID = {loss["name"]: loss for loss in summary.summaries()["losses"]}
LINE = {"use_when": 90, "fails_when": 100}
FIELDS = {*LINE, "alternatives", "tasks", "input", "cost"}

every_loss = pytest.mark.parametrize(
    "loss", CATALOGUE, ids=lambda loss: loss.name
)
every_mask = pytest.mark.parametrize(
    "loss",
    [n for n in CATALOGUE if "segmentation" in SAID[n.name]["tasks"]],
    ids=lambda loss: loss.name,
)
every_sample = pytest.mark.parametrize(
    "loss",
    [
        loss
        for loss in CATALOGUE
        if not loss.coupled and SAID[loss.name]["input"] in summary.ROBUST
    ],
    ids=lambda loss: loss.name,
)


def test_the_file_is_of_this_catalogue():
    written = json.loads(summary.LOSSES.read_text("utf8"))
    assert written == json.loads(json.dumps(summary.summaries())), (
        "losses.json is stale: make losses"
    )


def test_every_loss_has_advice_in_the_order_of_the_chapters():
    assert list(ADVICE) == [loss.name for loss in CATALOGUE]


@every_loss
def test_advice_keeps_to_its_form(loss):
    said = ADVICE[loss.name]
    assert said.keys() >= FIELDS
    assert said.keys() <= FIELDS | {"imbalance", "needs"}
    for field, length in LINE.items():
        assert 10 < len(said[field]) <= length, field
        assert "\n" not in said[field] and not said[field].endswith(".")
    for name, why in said["alternatives"].items():
        assert name in ADVICE and name != loss.name and len(why) <= 60
    assert said["tasks"] and set(said["tasks"]) <= LISTS["tasks"].keys()
    assert said["input"] in LISTS["input"]
    assert said["cost"] in LISTS["cost"]


def test_every_word_of_a_list_is_used():
    for name in ("tasks", "input", "cost"):
        used = [ADVICE[loss][name] for loss in ADVICE]
        flat = {w for u in used for w in (u if name == "tasks" else [u])}
        assert flat == LISTS[name].keys()
    assert {n for s in SAID.values() for n in s["needs"]} == {*summary.NEEDS}
    assert {t for s in SAID.values() for t in s["traits"]} == {*summary.TRAITS}


def test_cost_grows_as_the_bench_has_it():
    for work in workloads().values():
        name = re.match(r"\w+", work.name).group()
        squares = ADVICE[name]["cost"] == "O(N²)"
        assert (work.exponents[0] == 2) == squares, name


@every_loss
def test_needs_are_what_the_signature_shows(loss):
    said, typed = SAID[loss.name], ADVICE[loss.name].get("needs", [])
    if any(loss.networks):
        assert "a network" in said["needs"]
    assert set(typed) <= summary.NEEDS.keys()
    assert len(said["needs"]) == len(set(said["needs"])), "shown and typed"
    first = next(iter(said["shapes"]))
    for word, kind in (("logits", "logits"), ("probs", "probabilities")):
        if first.endswith(word) and "log_" not in first:
            scores = (kind, "scores")
            assert said["input"] in scores


@every_loss
def test_the_code_on_the_card_runs(loss):
    exec(SAID[loss.name]["example"], {})
    lines = SAID[loss.name]["example"].splitlines()
    assert f"from handbook_code import {loss.name}" in lines
    assert max(map(len, lines)) <= 79


@every_loss
def test_the_gradient_on_the_card_is_that_of_the_code(loss, generator):
    found = summary.slope(loss)
    if found is None:
        assert SAID[loss.name]["gradient"] is None
        return
    by, slope = found
    options = loss.options(generator)
    fixed = {p: options[name] for name, p in loss.parameters.items()}
    values = loss.sample(20, generator)
    # Where corners are. At that of a quantile any slope between will do.
    corners = [1.0, -1.0, 1.0 if loss.function is quantile_loss else 0.0]
    values[by][:3] = torch.tensor(corners)
    values[by].requires_grad_()
    loss(*loss.tensors(values), **options).sum().backward()
    for n in range(20):
        at = {v: values[v][n].item() for v in loss.variables}
        expected = float(slope.subs(fixed | at))
        assert values[by].grad[n].item() == pytest.approx(expected)


def pull_of_the_wrong(loss, values, factor: float) -> float:
    """Of ten samples that are so far off, over that of an ordinary one."""
    arguments = [a.clone() for a in loss.batch(values)]
    arguments[0][:10] *= factor
    moved = [
        argument.requires_grad_()
        for argument, name in zip(arguments, loss.arguments, strict=False)
        if argument.is_floating_point()
        and not isinstance(loss.domain.get(name), set)
    ]
    slopes = torch.autograd.grad(
        loss.apply(*arguments), moved, materialize_grads=True
    )
    each = torch.stack([s.abs().reshape(50, -1).amax(1) for s in slopes])
    pull = each.amax(0)
    return (pull[:10].max() / pull[10:].mean()).item()


@every_sample
def test_robust_is_said_exactly_if_it_holds(loss, generator):
    values = loss.sample(50, generator)
    usual = pull_of_the_wrong(loss, values, 1.0)
    worst = max(
        pull_of_the_wrong(loss, values, factor) for factor in (1e-6, 1e6)
    )
    bounded = worst < 1e3 * usual
    assert bounded == ("robust" in SAID[loss.name]["traits"])


def test_a_root_of_a_mean_is_not_robust():
    """Its slope is bounded, but one outlier silences all others."""
    for loss, robust in ((rmse_loss, False), (huber_loss, True)):
        x = torch.tensor([1e6, 1.0, 1.0], requires_grad=True)
        loss(x, torch.zeros(3)).backward()
        assert (x.grad[0] < 2 * x.grad[1]) == robust
        assert ("robust" in SAID[loss.__name__]["traits"]) == robust


@every_mask
def test_handles_imbalance_is_said_exactly_if_it_holds(loss, generator):
    """A thousand pixels of easy background change neither value nor slope."""
    size = 30
    score = torch.randn(2, 1, size, generator=generator)
    target = (torch.rand(2, 1, size, generator=generator) < 0.3).long()
    far = torch.full((2, 1, 1000), -200.0)

    def found(score, target):
        given = score.requires_grad_()
        if SAID[loss.name]["input"] == "probabilities":
            given = given.sigmoid()
        try:
            value = loss.function(given, target)
        except ValueError:  # wants two classes
            both = torch.cat([torch.zeros_like(given), given], 1)
            value = loss.function(both, target[:, 0])
        (slope,) = torch.autograd.grad(value, score)
        return value.detach(), slope[..., :size]

    before = found(score, target)
    after = found(
        torch.cat([score.detach(), far], -1),
        torch.cat([target, torch.zeros_like(far).long()], -1),
    )
    same = all(
        torch.allclose(a, b) for a, b in zip(before, after, strict=True)
    )
    assert same == ("handles imbalance" in SAID[loss.name]["traits"])


@every_loss
def test_traits_are_those_of_the_catalogue(loss):
    traits = set(SAID[loss.name]["traits"])
    for trait in ("convex", "smooth", "differentiable"):
        assert (trait in traits) == (trait in loss.properties)
    assert ("bounded gradient" in traits) == ("lipschitz" in loss.properties)
    assert ("bounded" in traits) == (loss.bounds[1] != sp.oo)

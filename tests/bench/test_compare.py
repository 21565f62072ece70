"""Who is best, how surely, and who ties."""

import itertools

import pytest
import torch
from scipy.stats import permutation_test, spearmanr

from handbook_code.bench.compare import (
    FAMILIES,
    by_rate,
    chosen,
    holm,
    markdown,
    rank_correlation,
    ranks,
    scores,
    sign_test,
    ties,
)
from handbook_code.bench.losses import LOSSES

RECORD = {
    "losses": ["a", "b"],
    "settings": ["one"],
    "seeds": [1, 2],
    "tuned_on": ["one"],
    "rates": [0.1, 0.2],
    "runs": [
        {"role": "tuning", "loss": loss, "setting": "one", "seed": 0,
         "rate": rate, "validation": rate}
        for loss in "ab" for rate in (0.1, 0.2)
    ] + [
        {"role": "run", "loss": loss, "setting": "one", "seed": seed,
         "rate": 0.2, "dice": value, "watched": [0.1, 0.6, 0.2, 0.9]}
        for loss, seed, value in
        (("a", 1, 0.5), ("a", 2, 0.7), ("b", 2, 0.4), ("b", 1, 0.3))
    ],
}  # fmt: skip


def test_every_loss_has_one_family():
    listed = [name for names in FAMILIES.values() for name in names]
    assert sorted(listed) == sorted(LOSSES)


def test_scores_stand_at_their_place():
    found = scores(RECORD, "dice")
    assert found.tolist() == [[[0.5, 0.7]], [[0.3, 0.4]]]
    assert scores(RECORD, "fall").unique().tolist() == pytest.approx([0.4])
    assert by_rate(RECORD).tolist() == [[[0.1, 0.2]]] * 2
    assert chosen(RECORD) == {"a": 0.2, "b": 0.2}


def test_a_missing_run_is_seen():
    some = RECORD | {"runs": RECORD["runs"][:-1]}
    with pytest.raises(ValueError, match="some are missing"):
        scores(some, "dice")


def test_who_reaches_the_best_ties():
    table = torch.tensor([[[0.5, 0.7]], [[0.3, 0.5]], [[0.3, 0.49]]])
    assert ties(table).flatten().tolist() == [True, True, False]
    small = ties(table, large=False).flatten().tolist()
    assert small == [False, True, True]


def test_equal_losses_are_told_apart_by_chance_one_time_in_ten():
    """Six values in any order: 2 of the 20 ways to deal them are apart."""
    ways = list(itertools.combinations(range(6), 3))
    apart = 0
    for way in ways:
        rest = [n for n in range(6) if n not in way]
        pair = torch.tensor([list(way), rest]).double()[:, None]
        apart += int(ties(pair).sum() == 1)
    assert apart / len(ways) == 0.1


def test_ranks_and_their_correlation_agree_with_scipy():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randint(6, (2, 12), generator=generator).double()
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert ranks(torch.tensor([3.0, 1.0, 2.0])).tolist() == [1, 3, 2]


def test_the_sign_test_agrees_with_scipy():
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randn(9, generator=generator).double() + 0.4
    theirs = permutation_test(
        (pairs.numpy(),), lambda x, axis: x.mean(axis),
        permutation_type="samples", n_resamples=10_000, vectorized=True,
    )  # fmt: skip
    assert sign_test(pairs) == pytest.approx(theirs.pvalue)
    with pytest.raises(ValueError, match="up to 20, got 21"):
        sign_test(torch.ones(21))


def test_holm_stops_at_the_first_that_stands():
    """The third, below a fiftieth, would pass if it came first."""
    p = torch.tensor([0.001, 0.03, 0.029])
    assert holm(p).tolist() == [True, False, False]
    assert holm(torch.tensor([0.001, 0.02, 0.03])).all()


def test_a_table_marks_ties():
    text = markdown(RECORD, scores(RECORD, "dice"))
    assert text.splitlines()[2:] == [
        "| `a` | **0.60** ± 0.10 |", "| `b` | 0.35 ± 0.05 |",
    ]  # fmt: skip

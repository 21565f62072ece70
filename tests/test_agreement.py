"""Correlations of distances with opinions, and where they come to lie."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy import stats

from handbook_code import plots
from handbook_code.agreement import correlation, within


def scores(references=8, each=10, seed=0, shift=0.0):
    """Pictures of a few references, whose opinion has some of its own."""
    dice = torch.Generator().manual_seed(seed)
    group = torch.arange(references).repeat_interleave(each)
    of_reference = torch.randn(references, generator=dice)[group]
    distance = torch.rand(references * each, generator=dice)
    noise = torch.randn(references * each, generator=dice)
    return distance, -distance + shift * of_reference + 0.3 * noise, group


def test_opinion_is_high_where_a_distance_is_low():
    distance = torch.tensor([0.0, 1.0, 4.0, 9.0])
    for name in ("spearman", "kendall"):
        found = correlation(distance, 9 - distance**3, [1, 1, 2, 2],
                            statistic=name)  # fmt: skip
        assert found == pytest.approx((-1.0, -1.0, -1.0))
    assert correlation(distance, distance, [1, 1, 2, 2]).value == 1.0


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("spearman", stats.spearmanr),
        ("kendall", stats.kendalltau),
        ("pearson", stats.pearsonr),
    ],
)
def test_coefficients_are_those_of_scipy(name, oracle):
    d, s, group = scores()
    found = correlation(d, s, group, statistic=name, resamples=50)
    assert found.value == pytest.approx(oracle(d, s).statistic)
    assert found.low < found.value < found.high


def test_spearman_by_hand():
    # Ranks 1 2 3 4 against 1 3 2 4: 1 − 6 (0 + 1 + 1 + 0) / (4 · 15).
    found = correlation(
        torch.tensor([1.0, 2, 3, 4]),
        torch.tensor([0.1, 0.5, 0.3, 7]),
        list("aabb"),
    )
    assert found.value == pytest.approx(0.8)


def test_equal_numbers_share_their_rank():
    d, s = torch.tensor([1.0, 1, 2, 3]), torch.tensor([4.0, 3, 2, 2])
    mean_ranks = np.corrcoef([1.5, 1.5, 3, 4], [4, 3, 1.5, 1.5])[0, 1]
    found = correlation(d, s, list("abcd"), resamples=0)
    assert found.value == pytest.approx(mean_ranks)


def test_pictures_of_a_reference_stay_together():
    # Opinions that belong to references: few references, wide intervals.
    d, s, group = scores(shift=1.0)
    wide = correlation(d, s, group, resamples=400)
    narrow = correlation(d, s, range(len(d)), resamples=400)
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


def test_the_interval_covers():
    # A coefficient known from many pictures lies in 95 % of intervals.
    truth = correlation(*scores(4000, 1), resamples=0).value
    hit = 0
    for seed in range(40):
        found = correlation(*scores(30, 2, seed + 1), resamples=200)
        hit += found.low <= truth <= found.high
    assert hit >= 34


def test_a_seed_is_an_interval():
    d, s, group = scores()
    one, same, other = (
        correlation(d, s, group, resamples=99, seed=n) for n in (3, 3, 4)
    )
    assert one == same and one != other


def test_no_draws_no_interval():
    found = correlation(*scores(), resamples=0)
    assert np.isnan(found.low) and np.isnan(found.high)


def test_one_reference_alone_has_no_width():
    found = correlation(*scores(1, 20), resamples=20)
    assert found.low == pytest.approx(found.value) == found.high


def test_parts_are_judged_by_themselves():
    d, s, group = scores()
    kinds = torch.arange(len(d)) % 2
    s = torch.where(kinds == 0, s, -s)
    assert abs(correlation(d, s, group, resamples=0).value) < 0.3
    found = within(d, s, group, kinds, resamples=9)
    assert found[0].value < -0.4 and found[1].value > 0.4
    rows = kinds == 0
    assert found[0] == correlation(d[rows], s[rows], group[rows],
                                   resamples=9)  # fmt: skip


def test_messages():
    d, s, group = scores()
    with pytest.raises(ValueError, match="statistic: expected one of spear"):
        correlation(d, s, group, statistic="rho")
    with pytest.raises(ValueError, match="each of 80 distances, got 79"):
        correlation(d, s[1:], group)
    with pytest.raises(ValueError, match="got 80 and 79"):
        correlation(d, s, group[1:])
    with pytest.raises(ValueError, match="with 1 that are not finite"):
        correlation(d.where(d < d.max(), torch.nan), s, group)
    with pytest.raises(ValueError, match="distance: expected two different"):
        correlation(0 * d, s, group)
    with pytest.raises(ValueError, match="opinion: expected two different"):
        correlation(d, 0 * s, group)
    with pytest.raises(ValueError, match="expected a finite number for each"):
        correlation(d[:, None], s, group)


def test_one_judge_alone_has_a_figure(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    # So it is with a copy of TID2013: people are the only panel.
    plots.agreement_by_rate(
        {"people": {name: torch.rand(3, 2) for name in "abcd"}},
        {name: torch.rand(3, 2) for name in "abcd"},
        {"people": {"control": 0.5}},
    )
    assert plt.gcf().axes[0].get_title(loc="left") == "people"
    plt.close("all")

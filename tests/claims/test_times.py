from __future__ import annotations

import math

import pytest
from scipy.stats import binom

from study.claims.times import Between, median_factor, median_time, steps


def test_a_time_to_nan_is_between_two_numbers_of_steps() -> None:
    """The loss of update n is that of the weights after n - 1 steps, so S is in (n - 2, n - 1]."""
    assert steps(8, diverged=True) == Between(6, 7)
    assert steps(1, diverged=True) == Between(0, 0)
    assert steps(100, diverged=False) == Between(99, math.inf)


def test_a_factor_is_known_as_far_as_both_times_are() -> None:
    assert steps(41, diverged=True).over(steps(21, diverged=True)) == Between(39 / 20, 40 / 19)
    assert steps(100, diverged=False).over(steps(21, diverged=True)) == Between(99 / 20, math.inf)
    assert steps(1, diverged=True).over(steps(1, diverged=True)) == Between(0, math.inf)


@pytest.mark.parametrize(("seeds", "rank"), [(6, 1), (8, 1), (16, 4), (24, 7), (26, 8)])
def test_the_interval_of_a_median_is_of_the_order_statistics_that_the_sign_test_gives(seeds: int, rank: int) -> None:
    """Ranks of W. J. Dixon and A. M. Mood (1946), The statistical sign test, at 95 percent: for 24, 7 and 18."""
    pairs = [(Between(value, value), Between(1, 1)) for value in range(1, seeds + 1)]
    found = median_factor(pairs)
    assert (found.low, found.high) == (rank, seeds + 1 - rank)
    assert 2 * binom.cdf(rank - 1, seeds, 0.5) <= 0.05 < 2 * binom.cdf(rank, seeds, 0.5)


def test_few_seeds_bound_no_median() -> None:
    found = median_factor([(Between(2, 2), Between(1, 1))] * 5)
    assert (found.low, found.high) == (0, math.inf)
    assert median_factor([]).low == 0


def test_survivors_have_no_upper_end_and_no_median_where_most_survive() -> None:
    died, survived = steps(41, diverged=True), steps(100, diverged=False)
    found = median_factor([(survived, steps(11, diverged=True))] * 20 + [(died, steps(11, diverged=True))] * 4)
    assert math.isnan(found.median)
    assert found.low == 99 / 10
    assert math.isinf(found.high)


def test_a_median_time_is_the_first_update_at_which_half_have_diverged() -> None:
    assert median_time([3, 5, 9, 11], [True] * 4) == 5
    assert math.isnan(median_time([9, 9, 9, 5], [False, False, False, True]))

from __future__ import annotations

import math

import pytest

from study.models.epoch_means import losses_of_updates


def test_losses_are_those_whose_means_over_the_epoch_are_reported() -> None:
    losses = [3.0, 1.0, 8.0, 0.5, 0.25]
    means = [(1, 3.0), (2, 2.0), (3, 4.0), (4, 0.5), (5, 0.375)]  # an epoch of three, then one of two
    assert losses_of_updates(means, [0, 3], updates=5) == pytest.approx(losses)


def test_updates_of_one_call_have_their_mean() -> None:
    assert losses_of_updates([(2, 4.0), (4, 6.0)], [0], updates=4) == pytest.approx([4.0, 4.0, 8.0, 8.0])


def test_the_loss_that_is_not_finite_is_the_last() -> None:
    *finite, last = losses_of_updates([(1, 2.0), (2, 3.0), (3, math.inf)], [0], updates=3)
    assert (finite, last) == ([2.0, 4.0], math.inf)


def test_a_loss_that_no_mean_tells_of_is_not_made_up() -> None:
    losses = losses_of_updates([(5, 2.0), (6, 4.0)], [0, 3], updates=6)
    assert all(map(math.isnan, losses[:3]))
    assert losses[3:] == pytest.approx([2.0, 2.0, 8.0])

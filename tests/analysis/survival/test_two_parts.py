from __future__ import annotations

import numpy as np
import pytest

from study.analysis.survival.two_parts import two_parts
from tests.analysis.made_up_trials import results_table


def test_the_parts_are_all_trials_and_those_past_update_1_by_the_same_groups() -> None:
    rate = np.geomspace(1e-4, 1e-2, 24)
    time = np.where(np.arange(24) % 4 == 0, 1, np.arange(24) + 3)
    parts = two_parts(results_table(time, learning_rate=rate), by="learning_rate")
    assert len(parts.first) == 4
    assert parts.first["trials"].sum() == 24
    assert parts.first["group"].tolist() == [curve.group for curve in parts.later.curves]
    later = [curve.trials for curve in parts.later.curves]
    assert (parts.first["trials"] - parts.first["events"]).tolist() == later
    assert parts.events_at_first == 6


def test_an_axis_that_moves_the_parts_in_opposite_directions_is_seen_in_both() -> None:
    # Of the small ones half are NaN at once and the others last; the large ones all go soon. Together they look alike.
    draw = np.random.default_rng(0)
    small = np.arange(200) % 2 == 0
    time = np.where(
        small, np.where(draw.random(200) < 0.5, 1, 40 * draw.weibull(2, 200) + 1), 1 + 12 * draw.weibull(2, 200)
    )
    parts = two_parts(results_table(time, units=np.where(small, 8, 64)), by="units")
    assert parts.first["share"].tolist() == pytest.approx([0.5, 0.0], abs=0.1)
    medians = [curve.median for curve in parts.later.curves]
    assert medians[0] > 2 * medians[1]
    assert parts.test.p_value < 1e-4


def test_of_a_table_without_trials_there_are_no_parts() -> None:
    parts = two_parts(results_table([]))
    assert parts.events_at_first == 0
    assert parts.later.curves[0].trials == 0

from __future__ import annotations

import numpy as np
import pandas as pd

from study.analysis.survival.paired import paired_trials
from tests.analysis.made_up_trials import results_table


def test_the_largest_set_of_trials_that_differ_in_one_axis_alone_is_found_complete() -> None:
    rate = [1e-3, 3e-3, 1e-2]
    mine = results_table([9, 5, 3] * 2, learning_rate=rate * 2, seed=[1, 1, 1, 2, 2, 2])
    # A seed without one of the arms, another size, and a trial that ran again with a longer budget.
    partial = results_table([9, 5], learning_rate=rate[:2], seed=3)
    other = results_table([8, 4], learning_rate=rate[:2], seed=[1, 1], units=8)
    longer = results_table([np.inf], budget=90, learning_rate=rate[0], seed=2)
    table = pd.concat([mine, partial, other, longer], ignore_index=True).assign(trial_number=range(11))
    found = paired_trials(table, along="learning_rate")
    assert sorted(zip(found["seed"], found["learning_rate"], strict=True)) == [(s, r) for s in (1, 2) for r in rate]
    assert found.loc[(found["seed"] == 2) & (found["learning_rate"] == rate[0]), "budget"].tolist() == [90]
    assert set(found["units"]) == {512}


def test_without_pairs_there_are_no_trials() -> None:
    assert paired_trials(results_table([3, 4], learning_rate=[1e-3, 3e-3], seed=[1, 2]), along="learning_rate").empty
    assert paired_trials(results_table([]), along="learning_rate").empty

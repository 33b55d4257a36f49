from __future__ import annotations

import numpy as np
import pytest

from study.analysis.survival.differences import survival_differences
from tests.analysis.made_up_trials import results_table


def test_a_difference_has_newcombes_interval() -> None:
    # Newcombe (1998), table II, contrast (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
    time = [*[np.inf] * 48, *[5] * 32, *[np.inf] * 56, *[5] * 14]
    found = survival_differences(results_table(time, stateful=[False] * 80 + [True] * 70))
    (row,) = found.contrasts.to_dict("records")
    assert (row["group"], row["baseline"], row["survived"], row["trials"]) == ("true", "false", 56, 70)
    assert row["difference"] == pytest.approx(0.2)
    assert [row["difference_low"], row["difference_high"]] == pytest.approx([0.0524, 0.3339], abs=5e-5)
    assert found.answer == (
        "After update 60, of the trials there are still finite 20 points more with stateful true than with false "
        "(+5 to +33)."
    )


def test_shares_are_taken_at_an_update_that_every_trial_could_reach() -> None:
    table = results_table([15, np.inf, 25, np.inf], budget=40, stateful=[False, False, True, True])
    table.loc[1, ["budget", "updates"]] = 20
    found = survival_differences(table)
    assert found.horizon == 20
    assert found.groups["survived"].tolist() == [1, 2]


def test_what_is_not_shown_is_not_told() -> None:
    assert survival_differences(results_table([5, np.inf] * 4, stateful=[False, False, True, True] * 2)).answer == ""
    assert survival_differences(results_table([])).groups.empty


def test_axes_that_vary_only_together_are_told_once() -> None:
    front_end = ["none", "conv1d"] * 20
    together = ["none", "relu"] * 20
    table = results_table(
        [5, np.inf] * 20, front_end=front_end, front_end_activation=together, layers=np.repeat([1, 2, 3, 4], 10)
    )
    assert set(survival_differences(table).contrasts["axis"]) == {"front_end", "layers"}

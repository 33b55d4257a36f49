from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from study.analysis.survival.survival_analysis import SurvivalAnalysis, survival_analysis
from tests.analysis.made_up_trials import results_table


def a_study(trials: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rate = np.exp(rng.uniform(-7, -4, trials))
    activation = np.array(["relu", "selu", "tanh"])[np.arange(trials) % 3]
    steps = np.where(activation == "tanh", np.inf, 0.05 / rate * rng.weibull(2, trials))
    return results_table(
        1 + steps, failed=[7, 8], learning_rate=rate, activation=activation, units=rng.choice([8, 16], trials)
    )


def test_a_study_is_analysed_by_every_axis_that_varies() -> None:
    table = a_study()
    found = survival_analysis(table)
    counts = table["outcome"].value_counts()
    assert (found.diverged, found.survived, found.failed) == (counts["diverged"], counts["survived"], 2)
    assert found.trials == 58
    assert found.axes == ("activation", "units", "learning_rate")
    assert tuple(found.parts) == found.axes
    assert found.tests_table["axis"].tolist() == list(found.axes)
    assert found.hazard_ratios.axes == found.first.axes == found.axes
    assert found.overall.later.curves[0].trials == 58 - found.first.events
    assert sum(curve.trials for curve in found.parts["units"].later.curves) == 58 - found.first.events
    assert found.differences.groups["trials"].groupby(found.differences.groups["axis"]).sum().tolist() == [58] * 3
    assert found.answer == (
        f"{found.diverged} of the 58 trials diverged, {found.survived} survived their budgets; 2 more failed and are "
        "in no number here."
    )


def sentences(found: SurvivalAnalysis) -> list[str]:
    models = [found.hazard_ratios, found.first]
    return [
        found.answer,
        *found.overall.later.answers,
        *(answer for parts in found.parts.values() for answer in parts.later.answers),
        *(parts.test.answer for parts in found.parts.values()),
        *(model.answer for model in models),
        *(note for model in models for note in model.notes),
        *found.hazard_ratios.hazard_ratios["answer"],
        *found.first.odds_ratios["answer"],
        *filter(None, (found.differences.answer, found.hazard_ratios.proportional_words)),
    ]


RATE = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2]
DEGENERATE = {
    "no trials": (results_table([]), "There are no trials."),
    "all failed": (results_table([1, 2], failed=[0, 1]), "No trial has a result (2 failed)."),
    "one trial": (results_table([4]), "The one trial diverged."),
    "one survivor": (results_table([np.inf]), "The one trial survived its budget."),
    "nothing diverged": (results_table([np.inf] * 5, learning_rate=RATE), "None of the 5 trials diverged"),
    "everything diverged": (results_table([9, 7, 5, 3, 2], learning_rate=RATE), "All of the 5 trials diverged."),
    "everything at once": (results_table([1] * 5, learning_rate=RATE), "All of the 5 trials diverged."),
    "three trials": (results_table([9, 60, 99], units=[8, 16, 32], learning_rate=RATE[:3]), "2 of the 3 trials"),
    "no axis varies": (results_table([9, 7, 5, 99]), "3 of the 4 trials diverged, 1 survived"),
    "one group each": (
        results_table([9, 99, 5, 99], activation=["relu", "tanh"] * 2, layers=[1, 2] * 2),
        "2 of the 4 trials",
    ),
    "every value unset": (results_table([9, 99, 5, 7], clipnorm=np.nan, layers=[1, 2, 1, 2]), "3 of the 4 trials"),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_degenerate_study_is_answered_in_words(name: str) -> None:
    table, says = DEGENERATE[name]
    found = survival_analysis(table)
    assert found.answer.startswith(says)
    for sentence in sentences(found):
        assert sentence.endswith(".")
        assert "nan" not in sentence.replace("time_to_nan", "")
        assert "inf" not in sentence.replace("infinit", "")
    estimates = found.hazard_ratios.hazard_ratios
    assert estimates["hazard_ratio"].dropna().between(1e-4, 1e4).all()


def test_ten_thousand_trials_are_analysed_in_a_minute() -> None:
    import time

    start = time.perf_counter()
    assert survival_analysis(a_study(10_000)).hazard_ratios.estimated
    assert time.perf_counter() - start < 60

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from study.claims.contrast import Arm, Remedy, trials_of_remedies
from study.claims.remedies import ranked_remedies
from study.claims.show import gain, survivors
from study.trial.config import TrialConfig
from tests.claims.test_verdicts import family, place, table_of

SEEDS = 16


def remedy(name: str, **axes: Any) -> Remedy:
    return Remedy(
        id=name,
        statement=name,
        arm=Arm(label=name, values=axes),
        beside=Arm(label="as it stands", values={}),
        updates=100,
        replicates=SEEDS,
    )


def ranked(*remedies: Remedy) -> pd.DataFrame:
    """Of the example, which ends at update 21, after 20 steps."""
    trials = trials_of_remedies(remedies, semantics=["keras-3"], seed=0)
    claims = replace(family(), remedies=remedies)
    return ranked_remedies(claims, table_of(trials, come_to), semantics=["keras-3"], seed=0)


def come_to(trial: TrialConfig) -> int | None:
    match trial.activation:
        case "tanh":
            return None
        case "selu":
            return None if place(trial) < 10 else 41
        case "elu":
            return 61
        case "softplus":
            return 11
    return 21


def test_remedies_are_ranked_by_survivors_and_then_by_the_time_gained() -> None:
    table = ranked(
        remedy("worse", activation="softplus"),
        remedy("later", activation="elu"),
        remedy("same", units=256),
        remedy("some", activation="selu"),
        remedy("all", activation="tanh"),
    )
    assert table["remedy"].tolist() == ["all", "some", "later", "same", "worse"]
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert table["survived"].tolist() == [16, 10, 0, 0, 0]
    assert set(table["survived_without"]) == {0}
    assert table["verdict"].tolist() == ["helps", "helps", "helps", "no difference", "harms"]


def test_the_time_gained_is_a_factor_of_steps_and_at_least_what_the_budget_shows() -> None:
    """60 steps in place of 20 are three times as many; survivors of 100 updates have taken 99 steps or more."""
    later, every = ranked(remedy("later", activation="elu"), remedy("all", activation="tanh")).to_dict("records")[::-1]
    assert later["gain"] == 3
    assert gain(later).startswith("3 times the steps (2.95 to 3.16)")
    assert gain(every) == "at least 5 times the steps"


def test_a_remedy_whose_trials_are_not_run_yet_is_not_judged() -> None:
    remedies = (remedy("later", activation="elu"),)
    trials = trials_of_remedies(remedies, semantics=["keras-3"], seed=0)
    table = table_of([trial for trial in trials if trial.activation == "relu"], come_to)
    row = ranked_remedies(replace(family(), remedies=remedies), table, semantics=["keras-3"], seed=0).iloc[0]
    assert (row["verdict"], row["note"]) == ("not resolved", "16 of 32 trials not run yet")


def test_survivors_whose_loss_exploded_are_told_where_they_are_counted() -> None:
    """Three of the ten that survive with selu: they are no better off, and neither is one that went to NaN."""
    remedies = (remedy("some", activation="selu"), remedy("all", activation="tanh"))
    trials = trials_of_remedies(remedies, semantics=["keras-3"], seed=0)
    table = table_of(trials, come_to)
    places = table["seed"].map({seed: number for number, seed in enumerate(sorted(table["seed"].unique()))})
    table["exploded"] = (table["activation"] == "selu") & places.isin([0, 1, 2])
    found = ranked_remedies(replace(family(), remedies=remedies), table, semantics=["keras-3"], seed=0)
    assert found.set_index("remedy")["exploded"].to_dict() == {"all": 0, "some": 3}
    some = found[found["remedy"] == "some"].to_dict("records")[0]
    assert survivors(some) == "10 of 16 (3 exploded)"

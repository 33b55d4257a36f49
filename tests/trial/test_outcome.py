from __future__ import annotations

import math
from typing import Any

import pytest

from study.trial.divergence import LossAbove
from study.trial.outcome import Outcome
from study.trial.result import TrialResult, describe
from study.trial.sentence import verdict
from tests.trial.results import result


@pytest.mark.parametrize(
    ("losses", "name", "time", "exploded", "label"),
    [
        ((0.7, 0.6, math.nan), "diverged", 3, False, "NaN at 3"),
        ((0.7, 11.0, math.inf), "diverged", 3, False, "NaN at 3"),
        ((0.7, 0.6, 0.5), "survived", None, False, "survived 3"),
        ((0.7, 10.0, 0.5), "survived", None, False, "survived 3"),
        ((0.7, 1e30, 0.5), "survived", None, True, "survived 3, exploded"),
    ],
)
def test_a_trial_diverges_or_is_censored_at_its_budget(
    losses: tuple[float, ...], name: str, time: int | None, exploded: bool, label: str
) -> None:
    outcome = Outcome.of(losses)
    assert (outcome.name, outcome.time, outcome.exploded, outcome.label) == (name, time, exploded, label)
    assert outcome.updates == len(losses)


def test_another_event_ends_a_trial_at_another_update() -> None:
    losses = (0.7, 12.3)
    assert Outcome.of(losses, divergence=LossAbove(10)).label == "loss above 10 at 2"
    assert Outcome.of(losses, divergence=LossAbove(20)).label == "survived 2, exploded"
    assert Outcome.of((0.7, math.nan), divergence=LossAbove(10)).time == 2


def test_a_model_with_another_loss_has_a_threshold_of_its_own() -> None:
    assert not Outcome.of((4e4, 3e4), threshold=4e7).exploded
    assert Outcome.of((4e4, 5e7), threshold=4e7).exploded


SURVIVED = (0.7,) * 20
EXPLODED = (0.7, 0.7, 12.0, 1.4e9, *SURVIVED[4:])


def test_a_survivor_whose_loss_exploded_is_never_only_called_survived() -> None:
    one = result(onset=None, first={}, loss=EXPLODED)
    assert describe(one) == (
        "Survived its budget of 20 updates, but its loss exploded: it was above 10 at update 3 and 1.4e+09 at most; "
        "its time-to-NaN is censored there."
    )
    assert verdict(one).startswith(
        "No number stopped being finite in 20 updates, but the loss exploded: it was above 10 at update 3 and 1.4e+09 "
        "at most; at the end the largest |h| was"
    )
    assert one.as_dict()["exploded"] is True
    bare = result(onset=None, timeline=None, growth=None, engine="reference", loss=EXPLODED)
    assert verdict(bare) == (
        "The loss stayed finite for all 20 updates but exploded: it was above 10 at update 3 and 1.4e+09 at most; the "
        "reference engine does not record which number was the first."
    )
    with_onset = result(first={"optimizer_state": 8}, growth=None, loss=EXPLODED)
    assert "the loss stayed finite to the end of the budget of 20 updates but exploded (it was above" in verdict(
        with_onset
    )


def test_a_sentence_says_which_event_ended_the_trial() -> None:
    above: dict[str, Any] = {"divergence": LossAbove(10), "loss": (0.7, 0.6, 12.3)}
    one = result(onset=None, first={}, **above)
    assert describe(one) == "Diverged: the loss of update 3 rose above 10 (to 12.3); the loss before it was 0.6."
    assert verdict(one).startswith(
        "At update 3 the loss rose above 10 (to 12.3), and no number had stopped being finite: at the end the largest"
    )
    survived = result(onset=None, first={}, growth=None, loss=SURVIVED, divergence=LossAbove(10))
    assert describe(survived) == ("Survived its budget of 20 updates; its time to a loss above 10 is censored there.")
    bare = result(onset=None, timeline=None, growth=None, engine="reference", loss=SURVIVED, divergence=LossAbove(10))
    assert verdict(bare).startswith("The loss stayed at or below 10 for all 20 updates;")


def test_a_result_remembers_its_event_and_one_of_an_earlier_version_ended_at_nan() -> None:
    one = result(loss=(0.7, 12.3), divergence=LossAbove(10))
    assert TrialResult.from_json(one.to_json()) == one
    old = result(loss=(0.7, math.inf))
    text = old.to_json().replace('"divergence": "nonfinite", ', "").replace('"exploded": false, ', "")
    assert "divergence" not in text
    assert TrialResult.from_json(text) == old


def test_a_result_that_went_on_after_its_event_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        result(loss=(0.7, 12.3, 0.7), divergence=LossAbove(10))
    with pytest.raises(AssertionError):
        result(loss=(0.7, 12.3), axes={"updates": 3})

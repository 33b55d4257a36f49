from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from study.analysis.prediction.accuracy import accuracies
from study.analysis.prediction.encoding import encoding_of
from study.analysis.prediction.one_axis import best_rule, held_out_rule, rule_words
from study.analysis.predictors import with_result
from tests.analysis.made_up_trials import results_table


def folds_of(trials: int) -> list[np.ndarray]:
    return [np.arange(first, trials, 5) for first in range(5)]


def told(table: pd.DataFrame) -> tuple[str, float]:
    trials = with_result(table)
    encoding = encoding_of(trials)
    encoded, diverged = encoding.encode(trials), (trials["outcome"] == "diverged").to_numpy()
    rule = best_rule(encoding, encoded, diverged)
    return rule_words(rule, encoding, encoded, trials), rule.right


def test_the_best_rule_on_one_axis_is_told_with_its_value() -> None:
    rate = np.geomspace(1e-4, 1e-2, 40)
    table = results_table(np.where(rate > 1e-3, 9, np.inf), learning_rate=rate, stateful=[True, False] * 20)
    words, right = told(table)
    assert right == 1
    name, side, value = words.split()
    assert (name, side) == ("learning_rate", "above")
    assert rate[rate <= 1e-3].max() <= float(value) <= rate[rate > 1e-3].min()


def test_of_choices_those_are_told_that_are_fewer() -> None:
    activation = ["relu", "elu", "selu", "tanh"] * 10
    time = [np.inf if name == "tanh" else 9 for name in activation]
    assert told(results_table(time, activation=activation)) == ("activation not tanh", 1)
    time = [9 if name == "elu" else np.inf for name in activation]
    assert told(results_table(time, activation=activation)) == ("activation elu", 1)


def test_an_unset_number_can_be_the_rule() -> None:
    clipnorm = [np.nan, 0.1, 1.0, 10.0] * 10
    time = [9 if np.isnan(value) else np.inf for value in clipnorm]
    assert told(results_table(time, clipnorm=clipnorm)) == ("clipnorm none", 1)


def test_a_rule_is_judged_on_trials_that_it_was_not_made_from() -> None:
    # Pure chance: a rule is right about its own trials more often than not, and about others half of the time.
    draw = np.random.default_rng(0)
    held, own = [], []
    for _ in range(40):
        table = results_table(
            np.where(draw.random(40) < 0.5, 9, np.inf), learning_rate=10 ** draw.uniform(-4, -2, 40),
            recurrent_dropout=draw.random(40) / 2,
        )  # fmt: skip
        trials = with_result(table)
        encoding = encoding_of(trials)
        encoded, diverged = encoding.encode(trials), (trials["outcome"] == "diverged").to_numpy()
        own.append(best_rule(encoding, encoded, diverged).right)
        held.append(held_out_rule(encoding, encoded, diverged, folds_of(40)).mean())
    assert np.mean(own) > 0.6
    assert np.mean(held) == pytest.approx(0.5, abs=0.05)


def test_an_accuracy_is_told_with_and_without_the_choices_that_never_diverge() -> None:
    # Of 60 trials 20 are tanh and never diverge; of the others half do, whatever anything says.
    activation = np.array(["relu", "selu", "tanh"])[np.arange(60) % 3]
    time = np.where(activation == "tanh", np.inf, np.where(np.arange(60) % 2 == 0, 9, np.inf))
    trials = with_result(results_table(time, activation=activation, stateful=np.arange(60) % 4 < 2))
    # Predictions that know tanh and nothing else.
    right = np.where(activation == "tanh", 1.0, 0.5)
    whole, rest = accuracies(trials, right, folds_of(60))
    assert (whole.without, whole.trials, whole.accuracy) == ("", 60, pytest.approx(2 / 3))
    assert (whole.commoner, whole.commoner_accuracy) == ("survived", pytest.approx(2 / 3))
    assert (rest.without, rest.trials, rest.accuracy, rest.commoner_accuracy) == ("activation tanh", 40, 0.5, 0.5)
    assert whole.low < whole.accuracy < whole.high
    assert not whole.better_than_a_rule
    assert "best rule on one axis" in whole.words
    assert "always saying `survived`: 67%" in whole.words


def test_where_every_choice_can_diverge_there_is_one_accuracy() -> None:
    trials = with_result(results_table([3, np.inf] * 10, activation=["relu", "relu", "selu", "selu"] * 5))
    assert [part.without for part in accuracies(trials, np.ones(20), folds_of(20))] == [""]

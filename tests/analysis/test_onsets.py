from __future__ import annotations

import math

import pandas as pd

from study.analysis.exemplary import exemplary_trials
from study.analysis.onsets import lags, onsets
from tests.analysis.made_up_trials import results_table
from tests.report.studies import FAILED, found, made_up_study
from tests.trial.other_axes import OTHER


def test_the_answer_says_where_trials_went_wrong_first() -> None:
    table = made_up_study()
    died = int((table["outcome"] == "diverged").sum())
    assert onsets(table).answer == (
        f"In {died} of {died} trials with a known onset, the first number that was not finite arose in the forward "
        f"pass of a recurrent layer, {died} of {died} of them after the first timestep (median 300). Most often it was "
        f"the sum before the input gate ({died} of {died}). Every weight was still finite then in {died} of {died}."
    )
    assert onsets(table).failed == FAILED


def test_an_onset_in_the_backward_pass_is_not_in_the_recurrence() -> None:
    table = results_table([3, 4, math.inf])
    table["onset_phase"] = ["forward", "backward", pd.NA]
    table["onset_layer"] = ["lstm_1", "lstm_1", pd.NA]
    table["onset_tensor"] = ["cell_state", "gradient of output_sum", pd.NA]
    table["onset_timestep"] = pd.array([0, 5, pd.NA], dtype="Int64")
    answer = onsets(table).answer
    assert answer.startswith("In 1 of 2 trials")
    assert "0 of 1 of them after the first timestep (median 0); in the backward pass in 1." in answer


def test_weights_that_are_not_finite_at_the_onset_are_not_called_finite() -> None:
    table = results_table([3, 4, 5])
    table["onset_phase"], table["onset_layer"] = "optimizer", "lstm_1"
    # The step that made the running mean infinite made the weights of the next update; the third is such a weight.
    mean, weight = "running mean 1 of lstm_1/forward/kernel", "lstm_1/forward/kernel"
    table["onset_tensor"] = [mean, mean, weight]
    table["onset_update"] = pd.array([2, 3, 4], dtype="Int64")
    table["nonfinite_weight"] = pd.array([2, 4, 5], dtype="Int64")
    assert "Every weight was still finite then in 1 of 3" in onsets(table).answer


def test_an_onset_beyond_the_forward_pass_is_named_as_what_it_is() -> None:
    table = results_table([3, 4])
    table["onset_phase"], table["onset_layer"] = "optimizer", "lstm_1"
    table["onset_tensor"] = "running mean 1 of lstm_1/forward/kernel"
    answer = onsets(table).answer
    assert "Most often it was the running mean 1 of the kernel of lstm_1/forward (2 of 2)" in answer
    assert "in the optimizer's step in 2" in answer


def test_a_survivor_that_has_an_onset_is_counted_among_the_known_ones() -> None:
    table = results_table([3, math.inf, math.inf])
    table["onset_phase"] = ["forward", "optimizer", pd.NA]
    table["onset_layer"] = ["lstm_1", "dense", pd.NA]
    table["onset_tensor"] = ["cell_state", "running mean 2 of dense/kernel", pd.NA]
    found = onsets(table)
    assert len(found.trials) == 2
    assert found.answer.startswith("In 1 of 2 trials with a known onset")
    assert "1 of 2 survived all the same: the loss stayed finite" in found.answer
    alone = onsets(table[table["outcome"] == "survived"])
    assert alone.answer.startswith("In 0 of 1 trials with a known onset")


def test_trials_of_a_user_s_model_are_told_by_phase_and_layer() -> None:
    table = results_table([3, 4, 5, 6], of=OTHER)
    table["onset_phase"] = ["loss", "forward", "forward", "backward"]
    table["onset_layer"] = [pd.NA, "encoder/gru", "encoder/gru", "head"]
    table["onset_tensor"] = ["loss", "hidden_state", "hidden_state", "gradient of head/kernel"]
    table["onset_timestep"] = pd.array([pd.NA, 0, 6, pd.NA], dtype="Int64")
    assert onsets(table).answer.startswith(
        "In 2 of 4 trials with a known onset, the first number that was not finite arose in the forward pass of layer "
        "encoder/gru, 1 of 2 of them after the first timestep (median 3); in the loss in 1, in the backward pass of "
        "layer head in 1. Most often it was"
    )


def test_many_places_are_told_by_the_commonest() -> None:
    layers = ["a", "a", *"bcdefgh"]
    table = results_table([3] * len(layers), of=OTHER)
    table["onset_phase"], table["onset_layer"], table["onset_tensor"] = "forward", layers, "output"
    table["onset_timestep"] = pd.array([pd.NA] * len(layers), dtype="Int64")
    answer = onsets(table).answer
    assert answer.startswith("In 2 of 9 trials")
    assert "in the forward pass of layer f in 1, in other places in 2." in answer


def test_lags_count_from_the_update_of_the_time_to_nan() -> None:
    table = results_table([5, 8, math.inf])
    table["loss_exceeded"] = pd.array([2, pd.NA, pd.NA], dtype="Int64")
    table["nonfinite_weight"] = pd.array([6, 9, pd.NA], dtype="Int64")
    told = lags(table)
    assert told["loss_exceeded"].tolist() == [-3, pd.NA]
    assert told["nonfinite_weight"].tolist() == [1, 1]


def test_a_table_without_a_timeline_has_no_lags() -> None:
    table = results_table([5, 8])
    assert lags(table).empty
    assert lags(table[["outcome", "time_to_nan"]]).empty


def test_exemplary_trials_are_the_soonest_the_middle_and_the_latest_and_one_of_each_activation() -> None:
    table = results_table([9, 2, 4, 30, math.inf, 7], activation=["relu", "relu", "elu", "elu", "tanh", "selu"])
    chosen = exemplary_trials(table)
    # In order of time the relu trials are 2, 9 and the elu ones 4, 30; of an even number the lower one is the middle.
    assert list(zip(chosen["time_to_nan"], chosen["why"], strict=True)) == [
        (2, "soonest NaN, middle of relu"),
        (4, "middle of elu"),
        (7, "middle time-to-NaN, middle of selu"),
        (30, "latest NaN"),
    ]
    assert exemplary_trials(results_table([math.inf])).empty


def test_the_answers_of_a_study_start_with_what_became_of_its_trials() -> None:
    study = found()
    assert study.answers[0] == study.survival.answer
    assert study.answers[1].startswith("By activation, there diverged: relu")
    assert "none of" in study.answers[1]

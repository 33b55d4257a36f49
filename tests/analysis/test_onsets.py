from __future__ import annotations

import math

import pandas as pd

from study.analysis.exemplary import exemplary_trials
from study.analysis.onsets import lags, onsets, tensor_words
from tests.analysis.made_up_trials import results_table
from tests.report.studies import FAILED, found, made_up_study


def test_onsets_are_counted_among_the_trials_that_diverged() -> None:
    table = made_up_study()
    died = int((table["outcome"] == "diverged").sum())
    assert onsets(table).answer == (
        f"In {died} of {died} trials with a known onset, the first number that was not finite arose in the forward "
        f"pass of an LSTM layer, {died} of {died} of them after the first timestep (median 300). Most often it was the "
        f"sum before the input gate ({died} of {died}). Every weight was still finite then in {died} of {died}."
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
    assert "0 of 1 of them after the first timestep" in answer


def test_weights_that_are_not_finite_at_the_onset_are_not_called_finite() -> None:
    table = results_table([3, 4])
    table["onset_phase"], table["onset_layer"], table["onset_tensor"] = "optimizer", "lstm_1", "kernel"
    table["onset_update"] = pd.array([2, 3], dtype="Int64")
    table["nonfinite_weight"] = pd.array([2, 4], dtype="Int64")
    assert "Every weight was still finite then in 1 of 2" in onsets(table).answer


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


def test_tensors_have_names_that_can_be_read() -> None:
    assert tensor_words("forget_sum") == "sum before the forget gate"
    assert tensor_words("gradient of output_sum") == "gradient of sum before the output gate"
    assert tensor_words("gradient of lstm_1/forward/recurrent_kernel") == "gradient of recurrent kernel"
    assert tensor_words("cell_state") == "cell state"


def test_exemplary_trials_are_the_soonest_the_median_and_the_latest_and_one_of_each_activation() -> None:
    table = results_table([9, 2, 4, 30, math.inf, 7], activation=["relu", "relu", "elu", "elu", "tanh", "selu"])
    chosen = exemplary_trials(table)
    # In order of time the relu trials are 2, 9 and the elu ones 4, 30; of an even number the lower one is the median.
    assert list(zip(chosen["time_to_nan"], chosen["why"], strict=True)) == [
        (2, "soonest NaN, median of relu"),
        (4, "median of elu"),
        (7, "median time-to-NaN, median of selu"),
        (30, "latest NaN"),
    ]
    assert exemplary_trials(results_table([math.inf])).empty


def test_the_answers_of_a_study_start_with_what_became_of_its_trials() -> None:
    study = found()
    assert study.answers[0] == study.survival.answer
    assert study.answers[1].startswith("By activation, there diverged: relu")
    assert "none of" in study.answers[1]

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from study.analysis.prediction.held_out import HeldOut, Scores, caption, held_out, predict
from study.analysis.prediction.importance import axis_importance
from study.trial.errors import UserError
from tests.analysis.boundary.studies import card_study, logistic_study, study


@pytest.fixture(scope="module")
def determined() -> HeldOut:
    """A study whose axes determine the outcome, and three trials that failed."""
    table = card_study(np.random.default_rng(3), 303)
    table["outcome"] = table["outcome"].astype(object)
    table.loc[[5, 50, 150], "outcome"] = "failed"
    return held_out(table, repeats=1)


@pytest.fixture(scope="module")
def noisy() -> HeldOut:
    return held_out(logistic_study(np.random.default_rng(4), 100), repeats=2, seed=7)


def scores_of(result: HeldOut) -> Scores:
    assert result.scores is not None
    return result.scores


def test_a_boundary_that_the_axes_determine_is_predicted_in_more_than_95_percent_of_held_out_trials(
    determined: HeldOut,
) -> None:
    scores = scores_of(determined)
    assert scores.accuracy > 0.95
    assert scores.accuracy_low > scores.baseline_accuracy
    assert "poor" not in caption(determined)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_not_predicted_better_than_by_the_majority(seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = card_study(generator, 100)
    table["outcome"] = np.where(generator.random(100) < 0.4, "diverged", "survived")
    result = held_out(table, repeats=1)
    scores = scores_of(result)
    assert scores.accuracy_low <= scores.baseline_accuracy <= scores.accuracy_high
    assert "The fit is poor: it is not shown to predict better than always saying `survived`." in caption(result)


def test_replicates_of_a_configuration_are_held_out_together() -> None:
    # Noise in the configurations, the same for their replicates: whoever knows one replicate knows the others.
    generator = np.random.default_rng(5)
    table = logistic_study(generator, 40)
    table["outcome"] = np.where(generator.random(40) < 0.5, "diverged", "survived")
    table = pd.concat([table.assign(seed=seed) for seed in range(4)], ignore_index=True)
    result = held_out(table, repeats=1)
    scores = scores_of(result)
    assert scores.accuracy_low <= scores.baseline_accuracy
    held = np.empty(160, dtype=int)
    for number, fold in enumerate(result.folds):
        held[fold.held_out] = number
    assert (held.reshape(4, 40) == held[:40]).all()
    # The interval is that of 40 configurations, not of 160 trials.
    share = scores.accuracy
    assert scores.accuracy_high - scores.accuracy_low > 0.9 * 2 * 1.96 * np.sqrt(share * (1 - share) / 40) / 1.05


def test_every_trial_is_held_out_once_in_each_repeat(noisy: HeldOut) -> None:
    for repeat in range(2):
        held = np.concatenate([fold.held_out for fold in noisy.folds if fold.repeat == repeat])
        assert sorted(held) == list(range(100))
    assert scores_of(noisy).probability.shape == (2, 100)
    first, second = ([fold.held_out.tolist() for fold in noisy.folds if fold.repeat == repeat] for repeat in range(2))
    assert first != second


def test_scores_are_those_of_scikit_learn(noisy: HeldOut) -> None:
    scores, diverged = scores_of(noisy), noisy.diverged
    rows = list(scores.probability)
    assert scores.accuracy == pytest.approx(np.mean([accuracy_score(diverged, row > 0.5) for row in rows]))
    assert scores.brier == pytest.approx(np.mean([brier_score_loss(diverged, row) for row in rows]))
    assert scores.log_loss == pytest.approx(np.mean([log_loss(diverged, row) for row in rows]))
    share = np.full(100, diverged.mean())
    assert scores.baseline_accuracy == pytest.approx(max(diverged.mean(), 1 - diverged.mean()))
    assert scores.baseline_brier == pytest.approx(brier_score_loss(diverged, share))
    assert scores.baseline_log_loss == pytest.approx(log_loss(diverged, share))


def test_the_interval_of_the_accuracy_is_wilsons_where_there_are_no_replicates(determined: HeldOut) -> None:
    # Wilson (1927), as in Agresti and Coull, "Approximate is better than exact" (1998).
    scores, n, z = scores_of(determined), 300, 1.959964
    share = scores.accuracy
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert (scores.accuracy_low, scores.accuracy_high) == pytest.approx((middle - reach, middle + reach), abs=1e-6)


def test_the_reliability_table_counts_every_trial(noisy: HeldOut) -> None:
    scores = scores_of(noisy)
    table = scores.reliability
    assert table.trials.sum() == pytest.approx(100)
    assert (table.observed * table.trials).sum() == pytest.approx(noisy.diverged.sum())
    assert (table.predicted * table.trials).sum() == pytest.approx(scores.probability.sum() / 2)
    assert (np.diff(table.predicted) >= 0).all()
    assert (table.low <= table.observed).all()
    assert (table.observed <= table.high).all()


def test_a_model_of_the_right_shape_is_found_calibrated() -> None:
    scores = scores_of(held_out(logistic_study(np.random.default_rng(6), 600), repeats=1))
    # Of 600 trials the slope is known to about 0.1.
    assert scores.calibration_slope == pytest.approx(1, abs=0.3)
    assert scores.calibration_intercept == pytest.approx(0, abs=0.3)
    inside = (scores.reliability.low <= scores.reliability.predicted) & (
        scores.reliability.predicted <= scores.reliability.high
    )
    assert inside.sum() >= 8


def test_the_same_seed_gives_the_same_numbers_and_another_one_others() -> None:
    table = logistic_study(np.random.default_rng(8), 50)
    one, same, other = (held_out(table, repeats=1, seed=seed) for seed in (7, 7, 8))
    assert scores_of(one).probability.tolist() == scores_of(same).probability.tolist()
    assert caption(one) == caption(same)
    assert scores_of(one).probability.tolist() != scores_of(other).probability.tolist()


def test_new_trials_are_predicted_by_a_model_of_all_trials(determined: HeldOut) -> None:
    fresh = card_study(np.random.default_rng(99), 400)
    chance = predict(determined, fresh)
    assert ((chance > 0.5) == (fresh.outcome == "diverged")).mean() > 0.95
    assert ((chance > 0) & (chance < 1)).all()
    with pytest.raises(UserError, match="activation=selu: was not tried"):
        predict(determined, fresh.assign(activation="selu"))


def test_the_caption_says_what_a_reader_needs(determined: HeldOut) -> None:
    scores = scores_of(determined)
    said = re.fullmatch(
        r"Fit: [a-z ]+ \(chosen in (\d) of 5 folds\), held-out accuracy (\d+)% \((\d+) to (\d+)%; "
        r"best rule on one axis, `[^`]+` diverges: \d+%; "
        r"always saying `survived`: (\d+)%\), Brier ([\d.]+), n = (\d+), (\d+) censored, 3 failed\."
        r"(?: Of the \d+ trials without [^:]+: \d+% \(.+\)\.)?",
        caption(determined),
    )
    assert said is not None, caption(determined)
    expected = [scores.accuracy, scores.accuracy_low, scores.accuracy_high, scores.baseline_accuracy]
    assert [int(said[group]) for group in (2, 3, 4, 5)] == [round(100 * share) for share in expected]
    assert float(said[6]) == pytest.approx(scores.brier, rel=0.05)
    assert (int(said[7]), int(said[8])) == (300, int((~determined.diverged).sum()))


def test_probabilities_that_are_too_extreme_make_a_poor_fit(noisy: HeldOut) -> None:
    extreme = replace(noisy, scores=replace(scores_of(noisy), calibration_slope=0.3))
    assert "its probabilities are too extreme (calibration slope 0.3)" in caption(extreme)
    assert "too extreme" not in caption(noisy)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (study(np.zeros(30), units=np.arange(30)), "no trial diverged; n = 30, 30 censored."),
        (study(np.ones(30), units=np.arange(30)), "every trial diverged; n = 30, 0 censored."),
        (study([0, 0, 1], units=[8, 16, 32]), "only 1 of 3 configurations diverged, too few to hold some out"),
        (study([0, 1] * 9, units=[8] * 18), "no axis varies"),
        (study([], units=np.empty(0)), "no trial has a result; n = 0, 0 censored."),
        (study([0, 1] * 9, units=[8, 16] * 9), "only 1 of 2 configurations diverged, too few to hold some out"),
        (study(np.arange(40) > 36, units=np.arange(40)), "only 3 of 40 configurations diverged"),
    ],
    ids=["none diverged", "all diverged", "three trials", "no axis", "no trial", "two configurations", "rare"],
)
def test_a_study_that_cannot_be_held_out_says_why(table: pd.DataFrame, said: str) -> None:
    result = held_out(table)
    assert result.scores is None
    assert result.model is None
    assert result.folds == ()
    assert said in caption(result)
    assert caption(result).startswith("No held-out fit: ")


@pytest.mark.parametrize(("trials", "diverged"), [(12, 6), (40, 5)])
def test_a_study_of_one_axis_with_barely_enough_trials_is_judged(trials: int, diverged: int) -> None:
    learning_rate = np.geomspace(1e-4, 1e-2, trials)
    result = held_out(study(np.arange(trials) >= trials - diverged, learning_rate=learning_rate), repeats=1)
    scores = scores_of(result)
    assert scores.probability.shape == (1, trials)
    assert np.isfinite(scores.probability).all()
    assert scores.accuracy_low < scores.accuracy <= scores.accuracy_high + 1e-12
    assert axis_importance(result, permutations=2).axes[0].axis == "learning_rate"

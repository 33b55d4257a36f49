from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from sklearn.inspection import permutation_importance

from study.analysis.prediction.held_out import HeldOut, Model, held_out
from study.analysis.prediction.importance import AxisImportance, axis_importance
from tests.analysis.boundary.studies import card_study, logistic_study, study


@pytest.fixture(scope="module")
def card() -> HeldOut:
    return held_out(card_study(np.random.default_rng(3), 300), repeats=1)


@pytest.fixture(scope="module")
def by_axis(card: HeldOut) -> dict[str, AxisImportance]:
    return {importance.axis: importance for importance in axis_importance(card).axes}


def test_axes_that_decide_the_outcome_are_told_from_those_that_do_not(by_axis: dict[str, AxisImportance]) -> None:
    assert set(list(by_axis)[:2]) == {"activation", "learning_rate"}
    for axis in ("activation", "learning_rate", "batch_norm"):
        assert by_axis[axis].log_loss_rise_low > 0
        assert by_axis[axis].accuracy_loss > 0
    assert by_axis["dropout"].log_loss_rise_low <= 0 <= by_axis["dropout"].log_loss_rise_high
    assert abs(by_axis["dropout"].log_loss_rise) < by_axis["learning_rate"].log_loss_rise / 20


def test_an_axis_under_a_condition_is_judged_where_it_exists(card: HeldOut, by_axis: dict[str, AxisImportance]) -> None:
    batch_norm, front_end = by_axis["batch_norm"], by_axis["front_end"]
    assert batch_norm.condition == "front_end = conv1d"
    assert batch_norm.trials == (card.table.front_end == "conv1d").sum()
    assert front_end.condition is None
    assert front_end.trials == 300
    # The front end does nothing but make BatchNormalization possible.
    assert front_end.with_axes == ("batch_norm",)
    assert front_end.log_loss_rise_low > 0


@dataclass(frozen=True, kw_only=True)
class Watched(Model):
    """A model that remembers what it was asked."""

    asked: list[Any]

    def probability(self, encoded: Any) -> Any:
        self.asked.append(encoded)
        return super().probability(encoded)


def test_no_trial_gets_a_combination_that_cannot_be(card: HeldOut) -> None:
    asked: list[Any] = []
    folds = tuple(replace(fold, model=Watched(asked=asked, **vars(fold.model))) for fold in card.folds)
    axis_importance(replace(card, folds=folds), permutations=5)
    rows = np.vstack(asked)
    encoding = card.folds[0].model.encoding
    columns, categories = encoding.columns(), encoding.categories
    conv = rows[:, columns["front_end"][categories["front_end"].index("conv1d")]]
    normalised = rows[:, columns["batch_norm"][categories["batch_norm"].index("input")]]
    assert conv.sum() > 1000
    assert normalised.sum() > 1000
    assert not ((normalised == 1) & (conv == 0)).any()


def test_axes_that_cannot_be_told_apart_are_named_together(card: HeldOut, by_axis: dict[str, AxisImportance]) -> None:
    assert by_axis["front_end"].same_as == ("front_end_activation",)
    assert "front_end_activation" not in by_axis
    words = axis_importance(card, permutations=2).words
    assert "front_end_activation cannot be told from front_end." in words
    assert "front_end includes batch_norm, which it makes possible." in words
    assert "Not shown to matter: " in words


class Estimator:
    """A fitted model as scikit-learn's function takes it."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def fit(self, rows: Any, diverged: Any) -> None:
        raise AssertionError("is fitted already")


def log_likelihood(estimator: Estimator, rows: Any, diverged: Any) -> float:
    chance = estimator.model.probability(rows)
    return float(np.log(np.where(diverged, chance, 1 - chance)).mean())


def test_the_rise_is_the_permutation_importance_of_scikit_learn() -> None:
    result = held_out(logistic_study(np.random.default_rng(1), 150), repeats=1)
    encoded = result.folds[0].model.encoding.encode(result.table)
    rises = []
    for fold in result.folds:
        found = permutation_importance(
            Estimator(fold.model),
            encoded[fold.held_out],
            result.diverged[fold.held_out],
            scoring=log_likelihood,
            n_repeats=300,
            random_state=0,
        )
        rises.append(found.importances_mean)
    expected = dict(zip(result.axes, np.mean(rises, axis=0), strict=True))
    for importance in axis_importance(result, permutations=300).axes:
        assert importance.log_loss_rise == pytest.approx(expected[importance.axis], rel=0.1, abs=0.005)


def test_the_interval_is_the_corrected_one_over_folds(card: HeldOut) -> None:
    # Nadeau and Bengio (2003): variance over J folds times 1/J + held out / trained on; here J = 5 and 60 / 240.
    whole = {importance.axis: importance for importance in axis_importance(card, permutations=5).axes}["units"]
    number = card.axes.index("units")
    columns = card.folds[0].model.encoding.columns()["units"]
    encoded = card.folds[0].model.encoding.encode(card.table)
    generator = np.random.default_rng([0, number])
    rises = []
    for fold in card.folds:
        rows, diverged = encoded[fold.held_out], card.diverged[fold.held_out]
        before = fold.model.probability(rows)
        after = []
        for _ in range(5):
            shuffled = rows.copy()
            shuffled[:, columns] = rows[generator.permutation(len(rows))][:, columns]
            after.append(fold.model.probability(shuffled))
        rises.append(
            np.log(np.where(diverged, before, 1 - before)).mean()
            - np.log(np.where(diverged, after, 1 - np.array(after))).mean()
        )
    assert whole.log_loss_rise == pytest.approx(np.mean(rises))
    # 2.776445 is the 97.5% quantile of Student's t with 4 degrees of freedom.
    reach = 2.776445 * np.sqrt((1 / 5 + 60 / 240) * np.var(rises, ddof=1))
    assert whole.log_loss_rise_high - whole.log_loss_rise == pytest.approx(reach, rel=1e-6)
    assert whole.log_loss_rise - whole.log_loss_rise_low == pytest.approx(reach, rel=1e-6)


def test_the_same_seed_gives_the_same_importance(card: HeldOut) -> None:
    assert axis_importance(card, permutations=2, seed=1) == axis_importance(card, permutations=2, seed=1)
    assert axis_importance(card, permutations=2, seed=1) != axis_importance(card, permutations=2, seed=2)


def test_importance_in_a_poor_fit_says_that_it_is_poor() -> None:
    generator = np.random.default_rng(0)
    table = logistic_study(generator, 60)
    table["outcome"] = np.where(generator.random(60) < 0.4, "diverged", "survived")
    assert "The fit is poor" in axis_importance(held_out(table, repeats=1), permutations=2).words


def test_without_a_held_out_fit_there_is_no_importance_but_a_reason() -> None:
    result = axis_importance(held_out(study(np.zeros(30), units=np.arange(30))))
    assert result.axes == ()
    assert result.words == "No importance of axes: no trial diverged."

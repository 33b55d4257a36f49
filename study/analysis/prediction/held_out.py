"""How well the axes of a trial predict its outcome: a model chosen and judged on trials it has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from statsmodels.stats.proportion import proportion_confint

from study.analysis.boundary.firth import PenalisedLogistic
from study.analysis.prediction.accuracy import Accuracy, accuracies, worth
from study.analysis.prediction.encoding import Encoding, encoding_of
from study.analysis.prediction.replicates import replicates, sentence
from study.analysis.predictors import Booleans, Floats, configurations, same_as, with_result

Indices = NDArray[np.int64]

FOLDS = 5
REPEATS = 3
INNER_FOLDS = 4
RELIABILITY_BINS = 10

LOGISTIC_STRENGTHS = (0.1, 1.0, 10.0)
"""Inverse strengths of the ridge penalty, on standardised columns."""
QUADRATIC_STRENGTHS = (0.03, 0.3, 3.0)

HARDLY_DIFFERENT = 0.1
"""Standard deviation of predicted log odds below which their calibration slope has no meaning."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of model in one setting: the mean of some estimators."""

    name: str
    """What is said of it; settings share a name."""
    members: tuple[str, ...]
    """Keys of `estimators`."""


KINDS = (
    Kind(name="base rate", members=("base rate",)),
    *(Kind(name="logistic regression", members=(f"logistic {strength}",)) for strength in LOGISTIC_STRENGTHS),
    *(
        Kind(name="logistic regression with squares and interactions", members=(f"quadratic {strength}",))
        for strength in QUADRATIC_STRENGTHS
    ),
    Kind(name="extremely randomised trees", members=("trees",)),
    # Trees see steps and interactions, a logistic regression sees trends; their mean can err less than either.
    Kind(name="mean of logistic regression and extremely randomised trees", members=("logistic 1.0", "trees")),
    Kind(
        name="mean of logistic regression with squares and interactions and extremely randomised trees",
        members=("quadratic 0.3", "trees"),
    ),
)
"""What is chosen from, simplest first. The trees: Geurts, Ernst and Wehenkel, "Extremely randomized trees", 2006."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A fitted model of P(NaN within the budget)."""

    kind: Kind
    encoding: Encoding
    estimators: tuple[Any, ...]
    """Of scikit-learn; P is the mean of theirs."""
    closest: float
    """No predicted probability is closer to 0 or 1 than this: half a trial among those it was fitted to."""

    def probability(self, encoded: Floats) -> Floats:
        """P for encoded trials of shape (trials, columns); shape (trials,)."""
        return _mean_probability(self.estimators, encoded, closest=self.closest)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """A model and the trials that were held out from its choice and its fit."""

    model: Model
    held_out: Indices
    """Positions in `HeldOut.table`; shape (trials held out,)."""
    repeat: int


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Predicted against observed frequencies, in bins of about equally many predictions; all of shape (bins,)."""

    predicted: Floats
    """Mean predicted probability."""
    observed: Floats
    """Fraction that diverged."""
    low: Floats
    """Lower end of its 95% interval, by Wilson's formula."""
    high: Floats
    trials: Floats
    """Trials in the bin, averaged over the repeats."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What held-out predictions are worth. Each trial is predicted once in each repeat, by a model that has seen
    neither it nor a replicate of it; scores are means over trials and repeats."""

    probability: Floats
    """Held-out P(NaN within the budget), shape (repeats, trials)."""
    accuracy: float
    """Fraction of trials whose outcome is the more probable one."""
    accuracy_low: float
    """Lower end of the 95% interval of the accuracy on further trials of the study: Wilson's, with as many trials
    as the variance between configurations is worth (Korn and Graubard, "Confidence intervals for proportions with
    small expected number of positive counts estimated from survey data", Survey Methodology 24, 1998). It does not
    count that the models of different folds share training trials (Bates, Hastie and Tibshirani,
    "Cross-validation: what does it estimate and how well does it do it?", 2024)."""
    accuracy_high: float
    baseline_accuracy: float
    """Of always saying what most trials did."""
    brier: float
    """Mean squared difference between P and the outcome, 0 or 1."""
    baseline_brier: float
    """Of always predicting the fraction that diverged."""
    log_loss: float
    """Mean of minus the log probability of what happened, in nats."""
    baseline_log_loss: float
    calibration_slope: float | None
    """Slope of the outcome's log odds on the predicted ones (D. R. Cox, "Two further applications of a model for
    binary regression", 1958): 1 is right, less means that P is too extreme. None where all predictions are alike."""
    calibration_intercept: float | None
    """Its intercept: 0 is right."""
    reliability: Reliability


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A model of the outcome over all axes that vary, and its scores on held-out trials."""

    table: pd.DataFrame = field(repr=False)
    """The trials with a result, in the order of `Scores.probability`."""
    failed: int
    """Trials left out since they have no result."""
    axes: tuple[str, ...]
    """What the model knows of a trial: the axes that vary, without the seed."""
    same_as: Mapping[str, tuple[str, ...]]
    """Axes that always vary together with one of them, and so are not told from it."""
    seed: int
    model: Model | None = field(repr=False)
    """Of the kind that most folds chose, fitted to all trials, for predicting new ones; None where the study cannot be
    judged."""
    folds: tuple[Fold, ...] = field(repr=False)
    chosen: Mapping[str, int]
    """How many folds chose each kind of model."""
    scores: Scores | None
    accuracies: tuple[Accuracy, ...]
    """Of all trials, and of those without choices with which nothing diverged; empty where there are no scores."""
    words: str
    """Why there are no scores, or the empty text."""

    @property
    def diverged(self) -> Booleans:
        """Shape (trials,)."""
        return (self.table["outcome"] == "diverged").to_numpy(dtype=bool)


def held_out(table: pd.DataFrame, *, seed: int = 0, folds: int = FOLDS, repeats: int = REPEATS) -> HeldOut:
    """Choose a model of P(NaN within the budget) over all axes, and judge it on trials it has not seen.

    The trials are split into folds, at random, with like shares of diverged trials, and all replicates of a
    configuration in one fold. For each fold, a kind of model is chosen by the log loss of a further cross-validation
    inside the other folds (so that the choice, too, is judged), fitted to them, and predicts the fold. The same
    seed gives the same numbers.

    Args:
        table: A results table; failed trials are left out.
        seed: Of the splits and of the models.
        folds: Parts into which the trials are split.
        repeats: How often they are split anew.

    Returns:
        With `scores` None and the reason in `words` where there is nothing to predict, or too few trials to tell.
    """
    trials = with_result(table)
    diverged = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    encoding = encoding_of(trials)
    words = _lacking(trials, diverged, encoding, folds)
    model, scores, parts = None, None, []
    found: tuple[Accuracy, ...] = ()
    if not words:
        encoded, groups = encoding.encode(trials), configurations(trials)
        for repeat in range(repeats):
            splits = _split(encoded, diverged, groups, folds=folds, seed=seed + repeat)
            for train, test in splits:
                kind = _choose(encoded[train], diverged[train], groups[train], seed=seed)
                fitted = _fit(kind, encoding, encoded[train], diverged[train], seed=seed)
                parts.append(Fold(model=fitted, held_out=test, repeat=repeat))
        # The kind that the scores speak of most; a choice of its own would be another one in some studies.
        usual = Counter(fold.model.kind for fold in parts).most_common(1)[0][0]
        model = _fit(usual, encoding, encoded, diverged, seed=seed)
        probability = np.full((repeats, len(trials)), np.nan)
        for fold in parts:
            probability[fold.repeat, fold.held_out] = fold.model.probability(encoded[fold.held_out])
        scores = _scores(probability, diverged, groups)
        right = ((probability > 0.5) == diverged).mean(axis=0)
        found = accuracies(trials, right, [fold.held_out for fold in parts])
    return HeldOut(
        table=trials,
        failed=len(table) - len(trials),
        axes=tuple(encoding.axes),
        same_as=same_as(trials),
        seed=seed,
        model=model,
        folds=tuple(parts),
        chosen=Counter(fold.model.kind.name for fold in parts),
        scores=scores,
        accuracies=found,
        words=words,
    )


def predict(result: HeldOut, trials: pd.DataFrame) -> Floats:
    """P(NaN within the budget) of other trials, by the model fitted to all trials of the study; shape (trials,).

    Args:
        result: Of `held_out`, with a model.
        trials: A table that has the columns `result.axes`.

    Raises:
        UserError: A category that the study did not try.
    """
    assert result.model is not None, result.words
    return result.model.probability(result.model.encoding.encode(trials))


def caption(result: HeldOut) -> str:
    """The fit in sentences, to stand under a figure; a poor one says that it is."""
    diverged = int(result.diverged.sum())
    censored = len(result.table) - diverged
    counts = f"n = {len(result.table)}, {censored} censored" + (f", {result.failed} failed" if result.failed else "")
    if result.scores is None or result.model is None:
        return f"No held-out fit: {result.words}; {counts}."
    scores = result.scores
    name, count = Counter(result.chosen).most_common(1)[0]
    fit = (
        f"Fit: {name} (chosen in {count} of {len(result.folds)} folds), held-out accuracy "
        f"{result.accuracies[0].words}, Brier {scores.brier:.2g}, {counts}."
    )
    for part in result.accuracies[1:]:
        fit += f" Of the {part.trials} trials without {part.without}: {part.words}."
    pairs = replicates(result.table)
    return " ".join((fit, *doubts(result), *([] if pairs is None else [sentence(pairs)])))


def doubts(result: HeldOut) -> tuple[str, ...]:
    """What speaks against trusting the fit, a sentence each; none where it has no scores."""
    scores = result.scores
    if scores is None:
        return ()
    found = []
    whole = result.accuracies[0]
    if whole.low <= whole.commoner_accuracy:
        found.append(f"The fit is poor: it is not shown to predict better than always saying `{whole.commoner}`.")
    elif not whole.better_than_a_rule:
        found.append(f"It is not shown to predict better than the best rule on one axis, {whole.rule}.")
    if scores.calibration_slope is not None and scores.calibration_slope < 0.5:
        found.append(
            f"The fit is poor: its probabilities are too extreme (calibration slope {scores.calibration_slope:.2g})."
        )
    return tuple(found)


def estimators(*, seed: int) -> dict[str, Any]:
    """Unfitted estimators of scikit-learn, of which the `KINDS` are made."""
    found: dict[str, Any] = {"base rate": DummyClassifier(strategy="prior")}
    for strength in LOGISTIC_STRENGTHS:
        found[f"logistic {strength}"] = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
    for strength in QUADRATIC_STRENGTHS:
        found[f"quadratic {strength}"] = make_pipeline(
            StandardScaler(),
            PolynomialFeatures(degree=2, include_bias=False),
            StandardScaler(),
            LogisticRegression(C=strength, max_iter=2000),
        )
    found["trees"] = ExtraTreesClassifier(n_estimators=100, min_samples_leaf=2, max_features=0.7, random_state=seed)
    return found


def _lacking(trials: pd.DataFrame, diverged: Booleans, encoding: Encoding, folds: int) -> str:
    if not len(trials):
        return "no trial has a result"
    if not diverged.any():
        return "no trial diverged"
    if diverged.all():
        return "every trial diverged"
    if not encoding.axes:
        return "no axis varies"
    groups = configurations(trials)
    for name, those in (("diverged", diverged), ("survived", ~diverged)):
        count = len(np.unique(groups[those]))
        if count < folds:
            return f"only {count} of {len(np.unique(groups))} configurations {name}, too few to hold some out"
    return ""


def _split(
    encoded: Floats, diverged: Booleans, groups: Indices, *, folds: int, seed: int
) -> list[tuple[Indices, Indices]]:
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    return list(splitter.split(encoded, diverged, groups))


def _choose(encoded: Floats, diverged: Booleans, groups: Indices, *, seed: int) -> Kind:
    """The kind of model that has the least log loss in a cross-validation inside these trials."""
    if min(len(np.unique(groups[those])) for those in (diverged, ~diverged)) < INNER_FOLDS:
        return KINDS[0]
    losses: list[Floats] = []
    for train, test in _split(encoded, diverged, groups, folds=INNER_FOLDS, seed=seed):
        if len(np.unique(diverged[train])) < 2:
            continue
        fitted = {
            name: clone(estimator).fit(encoded[train], diverged[train])
            for name, estimator in estimators(seed=seed).items()
        }
        predicted = (
            _mean_probability([fitted[name] for name in kind.members], encoded[test], closest=0.5 / len(train))
            for kind in KINDS
        )
        losses.append(np.array([log_losses(probability, diverged[test]) for probability in predicted]))
    return KINDS[int(np.argmin(np.concatenate(losses, axis=1).mean(axis=1)))] if losses else KINDS[0]


def _fit(kind: Kind, encoding: Encoding, encoded: Floats, diverged: Booleans, *, seed: int) -> Model:
    unfitted = estimators(seed=seed)
    return Model(
        kind=kind,
        encoding=encoding,
        estimators=tuple(unfitted[name].fit(encoded, diverged) for name in kind.members),
        closest=0.5 / len(diverged),
    )


def _mean_probability(fitted: Sequence[Any], encoded: Floats, *, closest: float) -> Floats:
    chances = [_probability(estimator, encoded) for estimator in fitted]
    return np.asarray(np.clip(np.mean(chances, axis=0), closest, 1 - closest))


def _probability(fitted: Any, encoded: Floats) -> Floats:
    columns = dict(zip(fitted.classes_, fitted.predict_proba(encoded).T, strict=True))
    # There is no column for an outcome that the estimator has not seen.
    return np.asarray(columns.get(True, np.zeros(len(encoded))))


def log_losses(probability: Floats, diverged: Booleans) -> Floats:
    """Minus the log probability of what happened, in nats; the shape of `probability`."""
    return np.asarray(-np.log(np.where(diverged, probability, 1 - probability)))


def _scores(probability: Floats, diverged: Booleans, groups: Indices) -> Scores:
    """Scores of held-out probabilities of shape (repeats, trials)."""
    correct = ((probability > 0.5) == diverged).mean(axis=0)
    low, high = proportion_confint(
        correct.mean() * (equal := worth(correct, groups)), equal, alpha=0.05, method="wilson"
    )
    share = diverged.mean()
    slopes = [line for row in probability if (line := _calibration(row, diverged)) is not None]
    slope, intercept = np.mean(slopes, axis=0) if len(slopes) == len(probability) else (None, None)
    return Scores(
        probability=probability,
        accuracy=float(correct.mean()),
        accuracy_low=float(low),
        accuracy_high=float(high),
        baseline_accuracy=float(max(share, 1 - share)),
        brier=float(((probability - diverged) ** 2).mean()),
        baseline_brier=float(share * (1 - share)),
        log_loss=float(log_losses(probability, diverged).mean()),
        baseline_log_loss=float(log_losses(np.full(len(diverged), share), diverged).mean()),
        calibration_slope=None if slope is None else float(slope),
        calibration_intercept=None if intercept is None else float(intercept),
        reliability=_reliability(probability, diverged),
    )


def _calibration(probability: Floats, diverged: Booleans) -> tuple[float, float] | None:
    """Slope and intercept of the outcome on predicted log odds, by penalised likelihood; None if those are alike."""
    log_odds = np.log(probability / (1 - probability))
    if log_odds.std() < HARDLY_DIFFERENT:
        return None
    intercept, slope = PenalisedLogistic(features=log_odds[:, None], outcome=diverged).coefficients
    return float(slope), float(intercept)


def _reliability(probability: Floats, diverged: Booleans) -> Reliability:
    repeats, trials = probability.shape
    everything = probability.ravel()
    happened = np.tile(diverged, repeats)
    order = np.argsort(everything, kind="stable")
    bins = [part for part in np.array_split(order, min(RELIABILITY_BINS, trials)) if len(part)]
    counts = np.array([len(part) / repeats for part in bins])
    observed = np.array([happened[part].mean() for part in bins])
    low, high = proportion_confint(observed * counts, counts, alpha=0.05, method="wilson")
    return Reliability(
        predicted=np.array([everything[part].mean() for part in bins]),
        observed=observed,
        low=np.asarray(low),
        high=np.asarray(high),
        trials=counts,
    )

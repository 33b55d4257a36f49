"""How much each axis matters for the outcome, by what its knowledge is worth to held-out predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from study.analysis.prediction.held_out import Fold, HeldOut, doubts, log_losses
from study.analysis.predictors import Booleans, Condition, Floats, conditions

PERMUTATIONS = 20


@dataclass(frozen=True, kw_only=True)
class AxisImportance:
    """What is lost of held-out predictions when the values of one axis are dealt out anew among the trials."""

    axis: str
    same_as: tuple[str, ...]
    """Axes that always vary together with this one; what is said of it may be due to them."""
    with_axes: tuple[str, ...]
    """Axes that exist only under a condition on this one; their values are dealt out together with it."""
    condition: str | None
    """Where the axis exists, such as `front_end = conv1d`; its values are dealt out among those trials only."""
    trials: int
    """Trials in which it exists."""
    log_loss_rise: float
    """Mean over all trials, in nats."""
    log_loss_rise_low: float
    """Lower end of its 95% interval; an axis whose interval holds 0 is not shown to matter."""
    log_loss_rise_high: float
    accuracy_loss: float
    """Fall of the fraction of trials predicted rightly."""
    accuracy_loss_low: float
    accuracy_loss_high: float


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The axes of a study, the most important one first."""

    axes: tuple[AxisImportance, ...]
    """Empty where there is no held-out fit."""
    words: str
    """The result in sentences, for a caption."""


def axis_importance(result: HeldOut, *, permutations: int = PERMUTATIONS, seed: int = 0) -> Importance:
    """Permutation importance of every axis for held-out predictions.

    In each fold, the values of an axis are permuted among the trials that were held out, and the model of that fold
    predicts them again (Breiman, "Random forests", 2001; Fisher, Rudin and Dominici, "All models are wrong, but many
    are useful", 2019). The intervals are over folds, with the correction for the training trials that folds share
    (Nadeau and Bengio, "Inference for the generalization error", 2003).

    No trial gets a combination that cannot be: an axis that exists only under a condition is permuted among the trials
    in which it exists, and moves along when the axis of the condition is permuted. So the importance of `front_end`
    holds that of `batch_norm` where the one needs the other. The numbers are those of the model: an axis that it does
    not use, or for which another one stands in, has none.

    Args:
        result: Of `study.analysis.prediction.held_out.held_out`.
        permutations: How often each axis is permuted in each fold.
        seed: Of the permutations; the same one gives the same numbers.
    """
    if result.scores is None:
        return Importance(axes=(), words=f"No importance of axes: {result.words}.")
    needs = conditions(result.table)
    encoded = result.folds[0].model.encoding.encode(result.table)
    found = []
    for number, axis in enumerate(result.axes):
        generator = np.random.default_rng([seed, number])
        block = _block(axis, needs)
        exists = needs[axis].holds(result.table) if axis in needs else np.ones(len(result.table), dtype=bool)
        losses = np.array(
            [
                _loss(
                    fold,
                    encoded[fold.held_out],
                    result.diverged[fold.held_out],
                    columns=[column for one in block for column in fold.model.encoding.columns()[one]],
                    exists=exists[fold.held_out],
                    permutations=permutations,
                    generator=generator,
                )
                for fold in result.folds
            ]
        )
        log_loss, accuracy = (_interval(losses[:, score], share_held_out=_share(result)) for score in (0, 1))
        found.append(
            AxisImportance(
                axis=axis,
                same_as=tuple(result.same_as.get(axis, ())),
                with_axes=tuple(block[1:]),
                condition=str(needs[axis]) if axis in needs else None,
                trials=int(exists.sum()),
                log_loss_rise=log_loss[0],
                log_loss_rise_low=log_loss[1],
                log_loss_rise_high=log_loss[2],
                accuracy_loss=accuracy[0],
                accuracy_loss_low=accuracy[1],
                accuracy_loss_high=accuracy[2],
            )
        )
    found.sort(key=lambda importance: -importance.log_loss_rise)
    return Importance(axes=tuple(found), words=_words(tuple(found), result))


def _block(axis: str, needs: Mapping[str, Condition]) -> list[str]:
    """An axis, and the axes that exist only under a condition on it, or on one of those."""
    block = [axis]
    for one in block:
        block += [child for child, condition in needs.items() if condition.axis == one and child not in block]
    return block


def _loss(
    fold: Fold,
    encoded: Floats,
    diverged: Booleans,
    *,
    columns: list[int],
    exists: Booleans,
    permutations: int,
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Rise of the log loss and fall of the accuracy on one fold's held-out trials, by permuting some columns."""
    rows, moved = np.flatnonzero(exists), np.array(columns)
    shuffled = np.repeat(encoded[None], permutations, axis=0)
    for copy in shuffled:
        copy[np.ix_(rows, moved)] = encoded[np.ix_(generator.permutation(rows), moved)]
    before = fold.model.probability(encoded)
    after = fold.model.probability(shuffled.reshape(-1, encoded.shape[1])).reshape(permutations, -1)
    rise = log_losses(after, diverged).mean() - log_losses(before, diverged).mean()
    loss = ((before > 0.5) == diverged).mean() - ((after > 0.5) == diverged).mean()
    return float(rise), float(loss)


def _share(result: HeldOut) -> float:
    """Trials held out for each trial trained on."""
    held_out = float(np.mean([len(fold.held_out) for fold in result.folds]))
    return held_out / (len(result.table) - held_out)


def _interval(values: Floats, *, share_held_out: float) -> tuple[float, float, float]:
    """Mean over folds and its 95% interval, by Nadeau and Bengio's corrected t statistic."""
    count = len(values)
    error = np.sqrt((1 / count + share_held_out) * values.var(ddof=1))
    reach = float(student.ppf(0.975, count - 1)) * error
    mean = values.mean()
    return float(mean), float(mean - reach), float(mean + reach)


def _words(axes: tuple[AxisImportance, ...], result: HeldOut) -> str:
    shown = [axis for axis in axes if axis.log_loss_rise_low > 0]
    rest = [axis.axis for axis in axes if axis.log_loss_rise_low <= 0]
    sentences = []
    if shown:
        listed = ", ".join(
            f"{axis.axis} {axis.log_loss_rise:.2g} ({axis.log_loss_rise_low:.2g} to {axis.log_loss_rise_high:.2g})"
            for axis in shown
        )
        sentences.append(f"Rise of the held-out log loss, in nats, when an axis is permuted: {listed}.")
    if rest:
        sentences.append(f"Not shown to matter: {', '.join(rest)}.")
    for axis in axes:
        if axis.same_as:
            sentences.append(f"{', '.join(axis.same_as)} cannot be told from {axis.axis}.")
        if axis.with_axes:
            sentences.append(f"{axis.axis} includes {', '.join(axis.with_axes)}, which it makes possible.")
    return " ".join((*sentences, *doubts(result)))

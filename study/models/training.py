"""Keras's own training step, one update after another, until the event that ends a training or the budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from study.models.blame import ModelError, last_line, message, sentence
from study.models.data import Arrays
from study.models.finding import onset_of
from study.models.growth import GrowthOfModel
from study.models.moment import Moment
from study.models.onset import ModelOnset
from study.models.prepared import Prepared
from study.models.step import Event, WatchedStep, moments_around
from study.models.walk import Walk
from study.trial.divergence import NONFINITE, Divergence
from study.trial.growth import Growth


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of a training.

    Attributes:
        loss: Of update 1, 2, ...; only the last one can be the event that ends a trial.
        diverged: Whether it is.
        onset: The first number that was not finite; None where all were.
        event: The update that it is in.
        around: What the updates of a page start from, by the names of its snapshots.
        walk: What was computed when the update of the event was repeated.
        growth: Of a few updates, where it was asked for.
    """

    loss: tuple[float, ...]
    diverged: bool
    onset: ModelOnset | None
    event: Event | None = None
    around: tuple[tuple[str, Moment], ...] = ()
    growth: Growth | None = None
    walk: Walk | None = None


def train(
    prepared: Prepared,
    *,
    divergence: Divergence = NONFINITE,
    locate: bool = True,
    grows: bool = False,
    on_update: Callable[[int, float], None] | None = None,
    step: WatchedStep | None = None,
) -> Trained:
    """Train a model that is ready, and say where its numbers stopped being finite.

    Args:
        prepared: The trial.
        divergence: The event that ends the training before its budget.
        locate: Whether to look for the onset, which takes a repetition of the update.
        grows: Whether to tell the growth, which takes a repetition of a few updates.
        on_update: Is told the number and the loss of every update; what it raises ends the training.
        step: The model's, which keeps the loss of every update and has none yet; made where it is not given.

    Raises:
        ModelError: The data do not fit the model, there is no update to make, or the user's code raises an exception.
    """
    budget = prepared.config.updates
    step = WatchedStep(prepared.model, each_loss=True) if step is None else step
    loop = _Loop(step, name=prepared.name, budget=budget, divergence=divergence, on_update=on_update)
    loop.growth = GrowthOfModel(prepared.model) if grows else None
    prepared.model.train_function = loop
    with _telling(prepared, loop), warnings.catch_warnings():
        for said_by_keras in ("Your input ran out of data", "`shuffle=True` was passed", "The model does not have any"):
            warnings.filterwarnings("ignore", message=said_by_keras)
        prepared.model.fit(prepared.data.for_fit(), epochs=budget, verbose=0)
    loss = loop.loss
    if len(loss) < budget and not divergence.happened(loss[-1]):
        raise ModelError(f"{prepared.name}: data() has no batch any more after {len(loss)} updates of {budget}")
    # A call of several updates goes on to its end where their event is no number that is not finite.
    event = loop.event if loop.event is not None and loop.event.moment.update <= len(loss) else None
    onset, walked = _onset(prepared, event) if locate else (None, None)
    diverged = divergence.happened(loss[-1])
    around = tuple(moments_around(loop.step, event, diverged=diverged))
    growth = None if loop.growth is None else loop.growth.growth(diverged=diverged)
    return Trained(loss=loss, diverged=diverged, onset=onset, event=event, around=around, growth=growth, walk=walked)


class _Loop:
    """Stands in for a model's `train_function` in `fit`: does the updates and ends the training.

    Args:
        step: Does the updates.
        name: Of the model file.
        budget: The largest number of updates.
        divergence: The event that ends the training before.
        on_update: Is told the number and the loss of every update.

    Attributes:
        event: The first update that left something that is not finite; None where there is none.
        growth: Takes note of every update, where it is asked for.
    """

    def __init__(
        self,
        step: WatchedStep,
        *,
        name: str,
        budget: int,
        divergence: Divergence,
        on_update: Callable[[int, float], None] | None,
    ) -> None:
        self.model = step.model
        self._on_update = on_update
        self.name = name
        self.budget = budget
        self.divergence = divergence
        self.step = step
        self.event: Event | None = None
        self.growth: GrowthOfModel | None = None

    @property
    def loss(self) -> tuple[float, ...]:
        """Of every update within the budget, to the event."""
        losses = self.step.losses[: self.budget]
        ends = (number for number, loss in enumerate(losses, start=1) if self.divergence.happened(loss))
        return tuple(losses[: next(ends, self.budget)])

    def __call__(self, iterator: Iterator[Any]) -> Mapping[str, Any]:
        first = not self.step.updates
        known = len(self.step.losses)
        if first and self.model.built and not self.model.optimizer.built:
            # A graph that makes variables is traced twice, as it is in bare `fit`.
            self.model.optimizer.build(self.model.trainable_variables)
        logs = self.step(iterator)
        if first:
            self._check(logs)
        if self.growth is not None:
            self.growth.take(self.step)
        found, self.step.event = self.step.event, None
        if found is not None and self.event is None and found.moment.update <= self.budget:
            self.event = found
        of_this_call = self.step.losses[-self.model.steps_per_execution :]
        if any(map(self.divergence.happened, of_this_call)) or self.step.updates >= self.budget:
            self.model.stop_training = True
        if self._on_update is not None:
            for update, loss in enumerate(self.step.losses[known : self.budget], start=known + 1):
                self._on_update(update, loss)
        return logs

    def _check(self, logs: Mapping[str, Any]) -> None:
        """Whether the first update was one that can be told of; the model is built by then."""
        if not any(name == "loss" or name.endswith("_loss") for name in logs):
            given = ", ".join(logs) or "nothing"
            raise ModelError(f"{self.name}: the model's train_step returns no loss, only {given}")
        if not self.model.trainable_weights:
            raise ModelError(f"{self.name}: the model that build() returns has no weights to train")


@contextmanager
def _telling(prepared: Prepared, loop: _Loop) -> Iterator[None]:
    """Turn what a training raises into a sentence."""
    name, path = prepared.name, prepared.path
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, ModelError):
            raise
        if last_line(error, path) is None and not loop.step.updates and isinstance(error, ValueError | TypeError):
            told = f"{name}: no update can be made of what build() and data() return ({_unfit(prepared, error)})"
        else:
            told = sentence(error, path=path, doing=f"update {loop.step.updates + 1}")
        raise ModelError(told) from error
    if not loop.step.updates:
        raise ModelError(f"{name}: data() returns no batch, so that there is no update to make")


def _unfit(prepared: Prepared, error: Exception) -> str:
    """Why a first update could not be made, where Keras's own words do not say it."""
    said = message(error)
    data = prepared.data
    if not isinstance(data, Arrays):
        return said
    if len(data.parts) == 1 and said == "None values not supported.":
        several = ", as a tuple: a list is several inputs" if isinstance(data.parts[0], list) else ""
        return f"there are inputs and no targets for the loss; let data() return x, y{several}"
    if said.startswith("Invalid dtype: "):
        return f"{said.removeprefix('Invalid dtype: ')} is no type of numbers; let data() return arrays of numbers"
    return said


def _onset(prepared: Prepared, event: Event | None) -> tuple[ModelOnset | None, Walk | None]:
    """Where an update's numbers stopped being finite, with the row of the user's arrays, and what was walked for it."""
    if event is None:
        return None, None
    onset, walked = onset_of(prepared.model, event)
    rows = prepared.data.rows_of(onset.update)
    if onset.sample is None or rows is None:
        return onset, walked
    return replace(onset, row=int(rows[onset.sample])), walked

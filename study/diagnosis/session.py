"""Diagnoses a model in the user's own session, where TensorFlow runs already and the model and its data are objects.

Nothing is built anew: trainings are run on the user's own model, from what its `fit` began with, and the model is put
back after each. So layers, losses and training steps that are defined in the session are trained as they are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from rich.console import Console

from study.diagnosis.case import Case
from study.diagnosis.changed import Ended, train_changed
from study.diagnosis.loop import SMALLEST, budget_of, diagnose
from study.diagnosis.measure import case_of
from study.diagnosis.place import OnUpdate
from study.diagnosis.progress import Steps
from study.diagnosis.record import Record
from study.diagnosis.remedies import Remedy
from study.diagnosis.result import Diagnosis, Run
from study.diagnosis.trials import Limits
from study.models.as_found import as_found
from study.models.blame import ModelError
from study.models.data import Data
from study.models.fit_data import data_of_fit
from study.models.initial_weights import drawn_anew
from study.models.libraries import keras
from study.models.moment import Moment
from study.models.onset import ModelOnset
from study.models.prepared import Prepared
from study.models.step import Event as NotFinite
from study.models.walk import Walk
from study.trial.axes import BUDGET, SEED, Axes, Axis
from study.trial.design import Configuration
from study.trial.model_design import ModelConfig, ModelDesign


@dataclass(frozen=True)
class Unchanged(Remedy):
    """The model as it is, trained once more."""

    id = "unchanged"
    size = 0

    @property
    def change(self) -> str:
        return "nothing"

    def apply(self, prepared: Prepared) -> Prepared:
        return prepared


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A training that a watch has seen.

    Attributes:
        model: As the training left it.
        adapter: What Keras made of the data given to `fit`.
        start: What the first update started from.
        onset: The first number that was not finite; None where all were.
        event: The update that it was noticed in.
        walked: What was computed when the update of the onset was repeated.
        losses: Of every update, as well as they are known; NaN of one that is not.
        planned: Updates that the training would have made; 0 where nobody knows.
        seconds_before: From the start to the end of the first update.
        seconds: Per update after it.
    """

    model: keras.Model
    adapter: Any
    start: Moment
    onset: ModelOnset | None
    event: NotFinite | None
    walked: Walk | None
    losses: Sequence[float]
    planned: int
    seconds_before: float
    seconds: float


def diagnose_watched(watched: Watched, *, record: Record, trials: int, minutes: float, quiet: bool) -> Diagnosis:
    """Diagnose a training that a watch has seen; the model is left as it was found.

    Args:
        watched: The training.
        record: What is known already; it is given what is found out.
        trials: Trainings with a remedy, at most.
        minutes: After which none is waited for.
        quiet: Say nothing of what is being done.

    Raises:
        KeyboardInterrupt: By Ctrl-C.
    """
    script = getattr(sys.modules["__main__"], "__file__", None)
    session = Session(watched=watched, path=script or "", deadline=time.monotonic() + 60 * minutes)
    with Steps(Console(stderr=True, quiet=quiet, markup=False, emoji=False, force_jupyter=False)) as steps:
        found = diagnose(
            session,
            session.config(max(SMALLEST, watched.planned)),
            limits=Limits(trials=trials, minutes=minutes),
            record=record,
            steps=steps,
        )
    if session.stop.is_set():
        raise KeyboardInterrupt
    return found


@dataclass(kw_only=True)
class Session:
    """A place for the trainings of a diagnosis; see `study.diagnosis.place.Place`.

    Attributes:
        watched: The training that is diagnosed.
        path: Of the user's script; empty in a notebook.
        deadline: When trainings end, by `time.monotonic`.
        stop: Whether somebody wants it all to end; set by Ctrl-C.
    """

    watched: Watched
    path: str
    deadline: float
    processes: int = 1
    stop: Event = field(default_factory=Event)

    def config(self, updates: int) -> ModelConfig:
        """The trial: a session has no axes but the seed and the budget."""
        axes = Axes([Axis.annotated(SEED, int, 0), Axis.annotated(BUDGET, int, updates)])
        return ModelDesign(model=str(self.watched.model.name), sha256="", file_axes=axes).config({})

    def examine(self, config: Configuration, on_update: OnUpdate) -> Case:
        """Measure the training that was watched, and train the same once more.

        Raises:
            KeyboardInterrupt: By Ctrl-C.
        """
        watched = self.watched
        with as_found(watched.model, variables=watched.start.variables):
            case = case_of(
                watched.model,
                self._data_or_none(seed=config.seed),
                onset=watched.onset,
                event=watched.event,
                walked=watched.walked,
                loss=tuple(watched.losses),
                diverged=watched.event is not None and watched.event.loss,
                budget=config.updates,
                seconds=watched.seconds,
                seconds_before=watched.seconds_before,
            )
        if watched.event is None:
            return case
        again = self.submit(config.replacing(updates=budget_of(config, case)), Unchanged())
        if self.stop.is_set():
            raise KeyboardInterrupt
        return replace(case, again=again.result().diverged if again.done() else None)

    def submit(self, config: Configuration, remedy: Remedy) -> Future[Run]:
        """Train with this change, here and now; a training that is not to be waited for never ends."""
        done: Future[Run] = Future()
        if self._over:
            return done
        assert isinstance(config, ModelConfig)
        try:
            done.set_result(self._run(config, remedy))
        except KeyboardInterrupt:
            self.stop.set()
        except Ended:
            pass
        return done

    @property
    def _over(self) -> bool:
        return self.stop.is_set() or time.monotonic() > self.deadline

    def _run(self, config: ModelConfig, remedy: Remedy) -> Run:
        def on_update(update: int, loss: float) -> None:
            if self._over:
                raise Ended

        model, start = self.watched.model, self.watched.start
        with as_found(model, variables=start.variables):
            return train_changed(lambda: self._prepared(config), remedy, on_update=on_update)

    def _prepared(self, config: ModelConfig) -> Prepared:
        """The training as it began; by another seed with other initial weights and another order of the rows."""
        model, start = self.watched.model, self.watched.start
        data = data_of_fit(self.watched.adapter, seed=config.seed)
        start.restore()
        drawn = drawn_anew(model, start, seed=config.seed) if config.seed else None
        if drawn is not None:
            for variable in model.variables:
                variable.assign(drawn[id(variable)])
        return Prepared(name=str(model.name), path=self.path, config=config, model=model, data=data)

    def _data_or_none(self, *, seed: int) -> Data | None:
        try:
            return data_of_fit(self.watched.adapter, seed=seed)
        except ModelError:
            return None

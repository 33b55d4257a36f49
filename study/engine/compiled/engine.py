"""The compiled engine: trains trials by their structure's program, and finds the onset of their NaN."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from study.engine import OnUpdate
from study.engine.compiled import training
from study.engine.compiled.settings import Settings
from study.engine.compiled.state import LoopState, initial_state
from study.engine.onset import search
from study.engine.runtime import device_name, tf
from study.engine.structure import Structure
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence
from study.trial.growth import Growth
from study.trial.onset import Onset
from study.trial.result import TrialResult
from study.trial.timeline import timeline

NAME = "compiled"


Tell = Callable[[int, float], None]
"""Is told the number of an update and its loss; what it raises ends the training."""

SECONDS_PER_CALL = 1.0
"""How long a call of a trial's program may take where somebody follows its losses."""


def run(
    configs: Sequence[TrialConfig],
    *,
    population: int | None = None,
    divergence: Divergence = NONFINITE,
    on_update: OnUpdate | None = None,
) -> list[TrialResult]:
    """Train every configuration, those of one structure next to each other; results are in the order given.

    Args:
        configs: The trials.
        population: Number of trials that a program trains side by side; None takes `training.default_population`.
        divergence: The event that ends a trial before its budget.
        on_update: As for `study.engine.run`.
    """
    groups: dict[Structure, list[int]] = {}
    for place, config in enumerate(configs):
        groups.setdefault(Structure.of(config), []).append(place)
    results: dict[int, TrialResult] = {}
    for structure, places in groups.items():
        size = population or training.default_population(structure)
        if size == 1:
            for place in places:
                results[place] = run_trial(
                    configs[place], divergence=divergence, on_update=on_update and partial(on_update, place)
                )
        else:
            given = [configs[place] for place in places]
            tell = [on_update and partial(on_update, place) for place in places]
            done = run_side_by_side(given, population=size, divergence=divergence, on_update=tell)
            results |= {places[number]: result for number, result in done}
    return [results[place] for place in range(len(configs))]


def run_trial(
    config: TrialConfig,
    *,
    divergence: Divergence = NONFINITE,
    watch: Callable[[LoopState], None] = lambda progress: None,
    on_update: Tell | None = None,
) -> TrialResult:
    """Train until the event that ends a trial, or to the budget. Trials of several threads take turns.

    Args:
        config: The trial.
        divergence: The event.
        watch: Is shown where it stands after every call of its program.
        on_update: Is told the number and the loss of every update, about once a second.
    """
    with _one_at_a_time:
        begin = time.perf_counter()
        trial = _UnderWay(config, divergence=divergence, on_update=on_update)
        seconds = math.inf if on_update is None else SECONDS_PER_CALL
        for progress in training.calls(config, divergence=divergence, seconds=seconds):
            watch(progress)
            trial.read(_Told.of(progress))
            if trial.needs_onset:
                trial.onset = search.onset(config, progress)
            del progress  # before the next call makes another; `calls` keeps no more of it than it needs
        trial.seconds = time.perf_counter() - begin
        return trial.result()


def run_side_by_side(
    configs: Sequence[TrialConfig],
    *,
    population: int,
    divergence: Divergence = NONFINITE,
    on_update: Sequence[Tell | None] = (),
) -> Iterator[tuple[int, TrialResult]]:
    """Train configurations of one structure in the slots of a program; a slot whose trial is finished gets the next.

    The seconds of a result are the trial's share of the time that it was trained in company, and those that finding
    its onset took: all results' seconds add up to the time that it took.

    Args:
        configs: The trials, of one structure.
        population: Number of slots, 2 or more.
        divergence: The event that ends a trial before its budget.
        on_update: For each configuration, what is told the number and the loss of its updates.

    Yields:
        The place of a configuration and its result, in the order in which they finish.
    """
    structure = Structure.of(configs[0])
    assert all(Structure.of(config) == structure for config in configs)
    program = training.program_of(structure, population)
    waiting = deque(enumerate(configs))
    slots: list[tuple[int, _UnderWay] | None] = [None] * population
    progress = tf.nest.map_structure(lambda value: tf.stack([value] * population), initial_state(configs[0]))
    settings = [Settings.of(configs[0])] * population
    inputs: Any = None
    while waiting or any(slots):
        with _one_at_a_time:
            begin = time.perf_counter()
            fresh: dict[int, LoopState] = {}
            for slot in range(population):
                if slots[slot] is None and waiting:
                    place, config = waiting.popleft()
                    tell = on_update[place] if on_update else None
                    trial = _UnderWay(config, divergence=divergence, population=population, on_update=tell)
                    slots[slot] = place, trial
                    fresh[slot] = initial_state(config)
                    settings[slot] = Settings.of(config, divergence=divergence)
            if fresh:
                progress = _replaced(progress, fresh)
                inputs = tf.nest.map_structure(lambda *values: tf.stack(values), *settings)
            # An empty slot has a budget of no updates.
            budgets = [running[1].config.updates if running else 0 for running in slots]
            progress = program(progress, inputs, budgets)
            told = _Told.of(progress)
            share = (time.perf_counter() - begin) / sum(running is not None for running in slots)
            finished: list[tuple[int, TrialResult]] = []
            for slot, running in enumerate(slots):
                if running is None:
                    continue
                place, trial = running
                begin = time.perf_counter()
                trial.read(_Told(told.update[slot], told.figures[slot], told.first[slot]))
                if trial.needs_onset:
                    trial.onset = search.onset(trial.config, _of_slot(progress, slot))
                trial.seconds += share + time.perf_counter() - begin
                if trial.finished:
                    slots[slot] = None
                    finished.append((place, trial.result()))
        yield from finished


_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class _Told:
    """The part of `LoopState` that is read whenever a program returns."""

    update: np.ndarray
    figures: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, progress: LoopState) -> _Told:
        return cls(progress.update.numpy(), progress.figures.numpy(), progress.first.numpy())


class _UnderWay:
    """A trial that is being trained: what its program has told of it so far."""

    def __init__(
        self, config: TrialConfig, *, divergence: Divergence, population: int = 1, on_update: Tell | None = None
    ) -> None:
        self.config = config
        self.divergence = divergence
        self.population = population
        self._on_update = on_update
        self.onset: Onset | None = None
        self.seconds = 0.0
        self._rows: list[np.ndarray] = []
        self._first: list[int] = []

    def read(self, told: _Told) -> None:
        rows = list(told.figures[: int(told.update) - len(self._rows)])
        self._first = told.first.tolist()
        for row in rows:
            self._rows.append(row)
            if self._on_update is not None:
                self._on_update(len(self._rows), float(row[0]))

    @property
    def needs_onset(self) -> bool:
        """Whether a number was not finite, and nobody has looked for it yet."""
        return self.onset is None and any(self._first)

    @property
    def finished(self) -> bool:
        return len(self._rows) == self.config.updates or self.divergence.happened(float(self._rows[-1][0]))

    def result(self) -> TrialResult:
        losses = [float(row[0]) for row in self._rows]
        cell = Structure.of(self.config).cell
        return TrialResult(
            config=self.config,
            loss=tuple(losses),
            engine=NAME,
            device=device_name(),
            seconds=self.seconds,
            divergence=self.divergence,
            population=self.population,
            timeline=timeline(dict(zip(cell.events, self._first, strict=True)), losses),
            onset=self.onset,
            growth=Growth.of(self._rows, names=cell.figures),
        )


def _of_slot(progress: LoopState, slot: int) -> LoopState:
    """Where the trial of a slot stands."""
    one: LoopState = tf.nest.map_structure(lambda values: values[slot], progress)
    return one


def _replaced(progress: LoopState, fresh: Mapping[int, LoopState]) -> LoopState:
    """A population's progress with that of some slots replaced."""

    def replaced(whole: Any, *parts: Any) -> Any:
        slots = dict(enumerate(tf.unstack(whole))) | dict(zip(fresh, parts, strict=True))
        return tf.stack([slots[slot] for slot in range(len(slots))])

    changed: LoopState = tf.nest.map_structure(replaced, progress, *fresh.values())
    return changed

"""The compiled engine: the whole training loop of a trial as one XLA program.

Batches, labels and masks are drawn inside; the loop stops at the first loss that is not finite or at the budget. A
program is compiled once for each `Structure` in a process; all else is a run-time input of it.

On GPUs a step is bound by the launches of its kernels, which cost the same for many trials as for one. So a program
can train a population of trials of one structure side by side, each in a slot of its own: `update` of one trial, with
an axis added by `side_by_side`. No number of a slot enters another's, and a slot whose trial is finished gets the next
one when the program returns. On CPUs, where one trial a program is the faster choice, the population is 1. How fast
populations are on GPUs is not measured yet.

A trial's numbers are the same to the last bit alone, in any company and in any slot of a program, but not of
populations of different size: matrix products and sums may then be taken in another order.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from study.config import TrialConfig
from study.engine import GPU_POPULATION, batches, lstm, model, optimizer
from study.engine.model import Structure, Wiring
from study.engine.runtime import device_name, tf
from study.engine.side_by_side import beside, side_by_side
from study.result import TrialResult

Tensor: TypeAlias = Any

NAME = "compiled"

UPDATES_PER_CALL = 16
"""Updates that a program does before it returns for more: an interrupt waits for no more than these."""

GPU_BYTES = 8 * 2**30
"""What a population may take of a GPU's memory. A constant: the population must not depend on what else is there."""


class Settings(NamedTuple):
    """Run-time inputs of a program: scalars."""

    seed: Tensor
    learning_rate: Tensor
    recurrent_dropout: Tensor
    dropout: Tensor
    clipnorm: Tensor
    max_norm: Tensor
    label_balance: Tensor
    labels_shuffled: Tensor
    input_mean: Tensor
    wiring: Wiring

    @classmethod
    def of(cls, config: TrialConfig) -> Settings:
        return cls(
            seed=np.int64(config.seed),
            learning_rate=np.float32(config.learning_rate),
            recurrent_dropout=np.float32(config.recurrent_dropout),
            dropout=np.float32(config.dropout),
            clipnorm=np.float32(math.inf if config.clipnorm is None else config.clipnorm),
            max_norm=np.float32(math.inf if config.max_norm is None else config.max_norm),
            label_balance=np.float64(config.label_balance),
            labels_shuffled=np.bool_(config.label_sampling == "shuffled"),
            input_mean=np.float32(config.input_mean),
            wiring=Wiring.of(config),
        )


class Progress(NamedTuple):
    """Where a trial stands between updates.

    Attributes:
        update: Number of updates done, int64.
        loss: Of the last one, or 0.
        losses: Of those done by this call of the program, (UPDATES_PER_CALL,), zeros behind them.
        weights: All weights in one vector, in the order of `Structure.weights`.
        slots: The optimizer's, each as long as the weights.
        momentum_product: u_1 u_2 ... of Nadam.
        state: Hidden and cell state of every cell, in the order of `Structure.cells`.
    """

    update: Tensor
    loss: Tensor
    losses: Tensor
    weights: Tensor
    slots: tuple[Tensor, ...]
    momentum_product: Tensor
    state: tuple[tuple[Tensor, Tensor], ...]


def start(config: TrialConfig) -> Progress:
    """A trial before its first update."""
    structure = Structure.of(config)
    weights = np.concatenate([value.ravel() for value in model.initial_weights(config).values()])
    slots = optimizer.RULES[structure.semantics][structure.optimizer][1]
    nothing = tf.zeros((structure.batch_size, structure.units))
    return Progress(
        update=tf.constant(0, tf.int64),
        loss=tf.constant(0.0),
        losses=tf.zeros(UPDATES_PER_CALL),
        weights=tf.constant(weights),
        slots=(tf.zeros(weights.shape),) * slots,
        momentum_product=tf.constant(1.0),
        state=((nothing, nothing),) * len(structure.cells()),
    )


def update(progress: Progress, settings: Settings, *, structure: Structure) -> Progress:
    """One update, on a batch drawn for it."""
    number = progress.update + 1
    wiring = settings.wiring
    inputs, labels = _batch(number, settings, structure=structure)
    masks = model.masks(
        settings.seed,
        number,
        recurrent_dropout=settings.recurrent_dropout,
        dropout=settings.dropout,
        structure=structure,
    )
    weights = _by_name(progress.weights, structure)
    state = dict(zip(structure.cells(), progress.state, strict=True))
    with tf.GradientTape() as tape:
        tape.watch(weights)
        logits, new_state = model.logits(weights, inputs, masks, state, wiring=wiring, structure=structure)
        loss = model.loss_of(labels, logits, semantics=structure.semantics)
    gradients = tape.gradient(loss, weights)
    gradients = optimizer.clip(gradients, settings.clipnorm, semantics=structure.semantics)

    step = tf.cast(number, tf.float32)
    momentum_product = progress.momentum_product * optimizer.NADAM_MOMENTUM[structure.semantics](step)
    rule, _ = optimizer.RULES[structure.semantics][structure.optimizer]
    new_weights, slots = rule(
        progress.weights,
        _in_a_row(gradients.values()),
        progress.slots,
        step=step,
        learning_rate=settings.learning_rate,
        momentum_product=momentum_product,
    )
    constrained = {
        name: optimizer.constrain(weight, settings.max_norm)
        if name.startswith("lstm") and name.endswith("kernel")
        else weight
        for name, weight in _by_name(new_weights, structure).items()
    }
    place = tf.cast(progress.update % UPDATES_PER_CALL, tf.int32)
    return Progress(
        update=number,
        loss=loss,
        losses=tf.where(tf.range(UPDATES_PER_CALL) == place, loss, progress.losses),
        weights=_in_a_row(constrained.values()),
        slots=tuple(slots),
        momentum_product=momentum_product,
        state=tuple(
            (
                tf.where(wiring.stateful, new_state[cell][0], 0.0),
                tf.where(wiring.stateful, new_state[cell][1], 0.0),
            )
            for cell in structure.cells()
        ),
    )


def _batch(number: Tensor, settings: Settings, *, structure: Structure) -> tuple[Tensor, Tensor]:
    """Time-major inputs, and labels, of an update."""
    inputs = batches.inputs(
        settings.seed,
        number,
        batch_size=structure.batch_size,
        timesteps=structure.timesteps,
        features=structure.features,
        input_mean=settings.input_mean,
    )
    shuffled, bernoulli = (
        batches.labels(
            settings.seed,
            number,
            batch_size=structure.batch_size,
            label_balance=settings.label_balance,
            label_sampling=label_sampling,
        )
        for label_sampling in ("shuffled", "bernoulli")
    )
    return model.time_major(inputs), tf.where(settings.labels_shuffled, shuffled, bernoulli)


def _by_name(vector: Tensor, structure: Structure) -> dict[str, Tensor]:
    shapes = structure.weights()
    parts = tf.split(vector, [math.prod(shape) for shape in shapes.values()])
    return {name: tf.reshape(part, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _in_a_row(tensors: Any) -> Tensor:
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


class Program:
    """The compiled training loop of a structure.

    Attributes:
        structure: What it is made for.
        population: Number of trials that it trains side by side. With more than one, all that goes in and comes out
            has the trials as its first axis.
        traces: How often it was traced.
    """

    def __init__(self, structure: Structure, population: int = 1) -> None:
        self.structure = structure
        self.population = population
        self.traces = 0
        self._function = tf.function(self._loop, jit_compile=True, autograph=False)
        self._compiled: Any = None

    def __call__(self, progress: Progress, settings: Settings, last: Any) -> Progress:
        """Train up to UPDATES_PER_CALL updates on, to update number `last` or the first loss that is not finite."""
        arguments = progress, settings, tf.constant(last, tf.int64)
        if self._compiled is None:
            self._compiled = self._function.get_concrete_function(*arguments)
        done: Progress = self._compiled(*arguments)
        return done

    def _loop(self, progress: Progress, settings: Settings, last: Tensor) -> Progress:
        self.traces += 1
        end = tf.minimum(last, progress.update + UPDATES_PER_CALL)

        def goes_on(now: Progress) -> Tensor:
            return (now.update < end) & tf.math.is_finite(now.loss)

        def one(now: Progress, settings: Settings) -> Progress:
            return update(now, settings, structure=self.structure)

        def all_of_them(now: Progress) -> Progress:
            # Slots whose trial is finished go along, and keep what they had.
            trains = goes_on(now)
            updated: Progress = tf.nest.map_structure(
                lambda new, old: tf.where(beside(trains, new), new, old), side_by_side(one, now, settings), now
            )
            return updated

        if self.population == 1:
            done = tf.while_loop(
                lambda *now: goes_on(Progress(*now)), lambda *now: one(Progress(*now), settings), list(progress)
            )
        else:
            done = tf.while_loop(
                lambda *now: tf.reduce_any(goes_on(Progress(*now))),
                lambda *now: all_of_them(Progress(*now)),
                list(progress),
            )
        return Progress(*done)


@lru_cache(maxsize=64)
def _compiled(structure: Structure, population: int) -> Program:
    return Program(structure, population)


def program_of(structure: Structure, population: int = 1) -> Program:
    """The program of a structure, compiled when it is first called."""
    return _compiled(structure, population)


def default_population(structure: Structure) -> int:
    """Trials to train side by side: 1 on CPUs; on GPUs a power of two, at most `GPU_POPULATION`, by `GPU_BYTES`.

    What counts is what an update keeps of all timesteps of a layer, (timesteps, batch, units) for each direction: the
    four projections and their gradients, and the seven of `lstm.KEPT`.
    """
    if device_name() == "CPU":
        return 1
    sequence = 4 * structure.timesteps * structure.batch_size * structure.width
    trial = sequence * structure.layers * (2 * len(lstm.GATES) + len(lstm.KEPT))
    population = GPU_POPULATION
    while population > 1 and population * trial > GPU_BYTES:
        population //= 2
    return population


def run(configs: Sequence[TrialConfig], *, population: int | None = None) -> list[TrialResult]:
    """Train every configuration, those of one structure next to each other; results are in the order given.

    Args:
        configs: The trials.
        population: Number of trials that a program trains side by side; None chooses, see `default_population`.
    """
    groups: dict[Structure, list[int]] = {}
    for place, config in enumerate(configs):
        groups.setdefault(Structure.of(config), []).append(place)
    results: dict[int, TrialResult] = {}
    for structure, places in groups.items():
        size = population or default_population(structure)
        given = [configs[place] for place in places]
        done = enumerate(map(run_trial, given)) if size == 1 else run_side_by_side(given, population=size)
        results |= {places[number]: result for number, result in done}
    return [results[place] for place in range(len(configs))]


def run_trial(config: TrialConfig) -> TrialResult:
    """Train until the first loss that is not finite, or to the budget. Trials of several threads take turns."""
    with _one_at_a_time:
        begin = time.perf_counter()
        program = program_of(Structure.of(config))
        settings = tf.nest.map_structure(tf.constant, Settings.of(config))
        progress = start(config)
        trial = _UnderWay(config)
        while not trial.finished:
            progress = program(progress, settings, config.updates)
            trial.read(_told(progress))
        trial.seconds = time.perf_counter() - begin
        return trial.result()


def run_side_by_side(configs: Sequence[TrialConfig], *, population: int) -> Iterator[tuple[int, TrialResult]]:
    """Train configurations of one structure in the slots of a program.

    The seconds of a result are the trial's share of the time in which slots were filled and calls were made: all
    results' seconds add up to the time that it took.

    Args:
        configs: The trials, of one structure.
        population: Number of slots, 2 or more.

    Yields:
        The place of a configuration and its result, in the order in which they finish.
    """
    structure = Structure.of(configs[0])
    assert all(Structure.of(config) == structure for config in configs)
    program = program_of(structure, population)
    waiting = deque(enumerate(configs))
    slots: list[tuple[int, _UnderWay] | None] = [None] * population
    # An empty slot has a budget of no updates.
    progress = tf.nest.map_structure(lambda value: tf.stack([value] * population), start(configs[0]))
    settings = [Settings.of(configs[0])] * population
    inputs: Any = None
    while waiting or any(slots):
        with _one_at_a_time:
            begin = time.perf_counter()
            fresh: dict[int, Progress] = {}
            for slot in range(population):
                if slots[slot] is None and waiting:
                    place, config = waiting.popleft()
                    slots[slot] = place, _UnderWay(config)
                    fresh[slot], settings[slot] = start(config), Settings.of(config)
            if fresh:
                progress = _replaced(progress, fresh)
                inputs = tf.nest.map_structure(lambda *values: tf.constant(np.stack(values)), *settings)
            budgets = [trial[1].config.updates if trial else 0 for trial in slots]
            progress = program(progress, inputs, budgets)
            told = _told(progress)
            share = (time.perf_counter() - begin) / sum(trial is not None for trial in slots)
        for slot, running in enumerate(slots):
            if running is None:
                continue
            place, trial = running
            trial.seconds += share
            trial.read(tf.nest.map_structure(lambda values, slot=slot: values[slot], told))
            if trial.finished:
                slots[slot] = None
                yield place, trial.result()


_one_at_a_time = threading.Lock()


class _Told(NamedTuple):
    """The part of `Progress` that is read whenever a program returns; as arrays."""

    update: Any
    losses: Any


def _told(progress: Progress) -> _Told:
    return _Told(*(getattr(progress, name).numpy() for name in _Told._fields))


class _UnderWay:
    """A trial that is being trained: what its program has told of it so far."""

    def __init__(self, config: TrialConfig) -> None:
        self.config = config
        self.losses: list[float] = []
        self.seconds = 0.0

    def read(self, told: _Told) -> None:
        self.losses += told.losses[: int(told.update) - len(self.losses)].tolist()

    @property
    def finished(self) -> bool:
        return len(self.losses) == self.config.updates or not all(map(math.isfinite, self.losses[-1:]))

    def result(self) -> TrialResult:
        return TrialResult(
            config=self.config, loss=tuple(self.losses), engine=NAME, device=device_name(), seconds=self.seconds
        )


def _replaced(progress: Progress, fresh: Mapping[int, Progress]) -> Progress:
    """A population's progress with that of some slots replaced."""

    def replaced(whole: Tensor, *parts: Tensor) -> Tensor:
        slots = dict(enumerate(tf.unstack(whole))) | dict(zip(fresh, parts, strict=True))
        return tf.stack([slots[slot] for slot in range(len(slots))])

    changed: Progress = tf.nest.map_structure(replaced, progress, *fresh.values())
    return changed

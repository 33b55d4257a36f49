"""The whole training loop of a trial as one XLA program.

Batches, labels and masks are drawn inside; the loop stops at the first loss that is not finite or at the budget. A
program is compiled once for each `Structure` in a process; all else is a run-time input of it.

On GPUs a step is bound by the launches of its kernels, which cost the same for many trials as for one. So a program
can train a population of trials of one structure side by side, each in a slot of its own: `update` of one trial, with
an axis added by `side_by_side`. No number of a slot enters another's. On CPUs, where one trial a program is the
default, the population is 1. How fast populations are on GPUs is not measured yet.

A trial's numbers are the same to the last bit alone, in any company and in any slot of a program, but not of
populations of different size: matrix products and sums may then be taken in another order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from study.engine import GPU_POPULATION
from study.engine.cells import lstm
from study.engine.compiled import growth, model, optimizer
from study.engine.compiled.model import Wiring
from study.engine.compiled.observers import BARE, Capture, Instruments
from study.engine.compiled.programs import first_call
from study.engine.compiled.side_by_side import beside, side_by_side
from study.engine.draws import batches
from study.engine.runtime import device_name, tf
from study.engine.structure import Structure
from study.trial.config import NONE, TrialConfig
from study.trial.growth import FIGURES
from study.trial.onset import EVENTS

Tensor: TypeAlias = Any

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
    initial_weights: Tensor
    wiring: Wiring

    @classmethod
    def of(cls, config: TrialConfig) -> Settings:
        values = cls(
            seed=np.int64(config.seed),
            learning_rate=np.float32(config.learning_rate),
            recurrent_dropout=np.float32(config.recurrent_dropout),
            dropout=np.float32(config.dropout),
            clipnorm=np.float32(math.inf if config.clipnorm is None else config.clipnorm),
            max_norm=np.float32(math.inf if config.max_norm is None else config.max_norm),
            label_balance=np.float64(config.label_balance),
            labels_shuffled=np.bool_(config.label_sampling == "shuffled"),
            input_mean=np.float32(config.input_mean),
            initial_weights=initial_weights(config),
            wiring=Wiring.of(config),
        )
        constants: Settings = tf.nest.map_structure(tf.constant, values)
        return constants


class Training(NamedTuple):
    """All that an update changes and the next one starts from.

    Attributes:
        weights: All weights in one vector, in the order of `Structure.weights`.
        slots: The optimizer's, each as long as the weights.
        momentum_product: u_1 u_2 ... of Nadam.
        state: Hidden and cell state of every cell, in the order of `Structure.cells`.
    """

    weights: Tensor
    slots: tuple[Tensor, ...]
    momentum_product: Tensor
    state: tuple[tuple[Tensor, Tensor], ...]


class Progress(NamedTuple):
    """Where a trial stands between updates.

    Attributes:
        update: Number of updates done, int64.
        figures: Of the updates that this call of the program has done: (UPDATES_PER_CALL, figures), a row an update
            with its loss and `study.trial.growth.FIGURES`, zeros behind them.
        first: The first update that brought each of `EVENTS`, int64; 0 where none has.
        now: What the next update starts from.
        before: What the last update started from.
        forward: What the last update's way forward computed, see `forward_shapes`. It only comes out of a program,
            and only of one that trains one trial; elsewhere it is empty.
    """

    update: Tensor
    figures: Tensor
    first: Tensor
    now: Training
    before: Training
    forward: dict[str, Tensor]


def forward_shapes(structure: Structure) -> dict[str, tuple[int, ...]]:
    """Names, as `instruments.Capture` gives them, and shapes of what tells where in the LSTMs a number was not finite:
    their inputs, masks and the sequences of `lstm.KEPT`; and the labels."""
    timesteps, batch, units = structure.timesteps, structure.batch_size, structure.units
    shapes: dict[str, tuple[int, ...]] = {"labels": (batch, 1)}
    if structure.front_end != NONE:
        shapes["front_end"] = timesteps, batch, structure.features
    for layer in range(1, structure.layers + 1):
        shapes[f"lstm_{layer}_norm"] = timesteps, batch, structure.features if layer == 1 else structure.width
    for cell in structure.cells():
        shapes[f"{cell} masks"] = len(lstm.GATES), batch, units
        shapes |= {f"{cell} forward {name}": (timesteps, batch, units) for name in lstm.KEPT}
    return shapes


@lru_cache(maxsize=4)  # asked for at the start, by the settings, and once more where an onset is looked for
def initial_weights(config: TrialConfig) -> np.ndarray:
    """All weights of a trial in one vector, in the order of `Structure.weights`."""
    return np.concatenate([value.ravel() for value in model.initial_weights(config).values()])


def start(config: TrialConfig) -> Progress:
    """A trial before its first update."""
    structure = Structure.of(config)
    weights = initial_weights(config)
    slots = optimizer.RULES[structure.semantics][structure.optimizer][1]
    nothing = tf.zeros((structure.batch_size, structure.units))
    now = Training(
        weights=tf.constant(weights),
        slots=(tf.zeros(weights.shape),) * slots,
        momentum_product=tf.constant(1.0),
        state=((nothing, nothing),) * len(structure.cells()),
    )
    return Progress(
        update=tf.constant(0, tf.int64),
        figures=tf.zeros((UPDATES_PER_CALL, 1 + len(FIGURES))),
        first=tf.zeros(len(EVENTS), tf.int64),
        now=now,
        before=now,
        forward={},
    )


def update(
    number: Tensor,
    now: Training,
    settings: Settings,
    *,
    structure: Structure,
    instruments: Instruments = BARE,
) -> tuple[Training, Tensor, Tensor]:
    """One update, on a batch drawn for it.

    Args:
        number: Of the update, from 1, int64.
        now: What it starts from.
        settings: See there.
        structure: See there.
        instruments: See there.

    Returns:
        What the next update starts from; the loss and the figures of `growth`, in one vector; and, for each of
        `EVENTS`, whether it happened.
    """
    observe = instruments.observe
    wiring = settings.wiring
    inputs, labels = _batch(number, settings, structure=structure)
    masks = model.masks(
        settings.seed,
        number,
        recurrent_dropout=settings.recurrent_dropout,
        dropout=settings.dropout,
        structure=structure,
    )
    weights = by_name(now.weights, structure)
    state = dict(zip(structure.cells(), now.state, strict=True))
    inputs, labels = observe("inputs", inputs), observe("labels", labels)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        logits, new_state, probes = model.logits(
            weights, inputs, masks, state, wiring=wiring, structure=structure, instruments=instruments
        )
        loss = observe("loss", model.loss_of(labels, logits, semantics=structure.semantics))
    gradients = tape.gradient(loss, weights)
    gradients = {name: observe(f"gradient of {name}", gradient) for name, gradient in gradients.items()}
    clipped = optimizer.clip(gradients, settings.clipnorm, semantics=structure.semantics)

    step = tf.cast(number, tf.float32)
    momentum_product = now.momentum_product * optimizer.NADAM_MOMENTUM[structure.semantics](step)
    rule, _ = optimizer.RULES[structure.semantics][structure.optimizer]
    stepped, slots = rule(
        now.weights,
        _in_a_row(clipped.values()),
        now.slots,
        step=step,
        learning_rate=settings.learning_rate,
        momentum_product=momentum_product,
    )
    slots = tuple(observe(f"slot {index}", slot) for index, slot in enumerate(slots, start=1))
    new_weights = _in_a_row(
        optimizer.constrain(weight, settings.max_norm)
        if name.startswith("lstm") and name.endswith("kernel")
        else weight
        for name, weight in by_name(observe("weights after the step", stepped), structure).items()
    )
    new_weights = observe("weights", new_weights)
    carried = [new_state[cell] for cell in structure.cells()]
    figures = growth.figures(
        loss=loss,
        probes=list(probes.values()),
        timesteps=structure.timesteps,
        gradients=list(gradients.values()),
        weights=new_weights,
        initial=settings.initial_weights,
    )
    events = [
        _all_zero([probe.gate for probe in probes.values()]),
        _all_finite(cell for _, cell in carried),
        _all_zero([probe.hidden for probe in probes.values()]),
        tf.reduce_all(tf.math.is_finite(logits)),
        tf.math.is_finite(loss),
        _all_finite(gradients.values()),
        _all_finite(slots),
        tf.reduce_all(tf.math.is_finite(new_weights)),
    ]
    after = Training(
        weights=new_weights,
        slots=slots,
        momentum_product=momentum_product,
        state=tuple(
            (tf.where(wiring.stateful, hidden, 0.0), tf.where(wiring.stateful, cell, 0.0)) for hidden, cell in carried
        ),
    )
    return after, figures, ~tf.stack(events)


def _all_finite(tensors: Iterable[Tensor]) -> Tensor:
    return tf.reduce_all([True, *(tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors)])


def _all_zero(traces: list[Tensor]) -> Tensor:
    return tf.reduce_all(tf.stack(traces) == 0)


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


def by_name(vector: Tensor, structure: Structure) -> dict[str, Tensor]:
    """A vector of all weights, or of as many numbers, taken apart by `Structure.weights`."""
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
        watched: Whether it tells of anything but the loss; one that does not is for measuring what that costs.
        traces: How often it was traced.
    """

    def __init__(self, structure: Structure, population: int = 1, *, watched: bool = True) -> None:
        self.structure = structure
        self.population = population
        self.watched = watched
        self.traces = 0
        self._compiled: Any = None

    def __call__(self, progress: Progress, settings: Settings, last: Any) -> Progress:
        """Train up to UPDATES_PER_CALL updates on: to update number `last`, the first loss that is not finite, or the
        first update that brings one of `EVENTS`, so that it is known what that update started from."""
        arguments = progress._replace(forward={}), settings, tf.constant(last, tf.int64)
        done: Progress
        if self._compiled is None:
            which = self.structure, self.population, self.watched
            self._compiled, done = first_call(lambda: self._traced(arguments), arguments, program=which)
        else:
            done = self._compiled(*arguments)
        return done

    def _traced(self, arguments: Sequence[Any]) -> Any:
        return tf.function(self._loop, jit_compile=True, autograph=False).get_concrete_function(*arguments)

    def _loop(self, progress: Progress, settings: Settings, last: Tensor) -> Progress:
        self.traces += 1
        begin = progress.update
        end = tf.minimum(last, begin + UPDATES_PER_CALL)

        def goes_on(at: Progress, begin: Tensor, end: Tensor) -> Tensor:
            return (at.update < end) & ((at.update == begin) | ~tf.reduce_any(at.first == at.update))

        def one(at: Progress, begin: Tensor, settings: Settings) -> Progress:
            number = at.update + 1
            capture = Capture()
            after, figures, happened = update(
                number, at.now, settings, structure=self.structure, instruments=capture if at.forward else BARE
            )
            if not self.watched:
                figures = tf.pad(figures[:1], [[0, len(FIGURES)]])
                happened = happened & np.array([event == "loss" for event in EVENTS])
            row = tf.cast(at.update - begin, tf.int32)
            return Progress(
                update=number,
                figures=tf.where(tf.range(UPDATES_PER_CALL)[:, tf.newaxis] == row, figures, at.figures),
                first=tf.where(happened & (at.first == 0), number, at.first),
                now=after,
                before=at.now,
                forward={name: capture.tensors[name] for name in at.forward},
            )

        def all_of_them(at: Progress) -> Progress:
            # Slots whose trial has stopped go along, and keep what they had.
            trains = side_by_side(goes_on, at, begin, end)
            after: Progress = tf.nest.map_structure(
                lambda new, old: tf.where(beside(trains, new), new, old), side_by_side(one, at, begin, settings), at
            )
            return after

        if self.population == 1:
            if self.watched:
                # The way back reads it anyway: to hand it out takes no time that could be measured.
                shapes = forward_shapes(self.structure)
                progress = progress._replace(forward={name: tf.zeros(shape) for name, shape in shapes.items()})
            done = tf.while_loop(
                lambda *at: goes_on(Progress(*at), begin, end),
                lambda *at: one(Progress(*at), begin, settings),
                list(progress),
            )
        else:
            done = tf.while_loop(
                lambda *at: tf.reduce_any(side_by_side(goes_on, Progress(*at), begin, end)),
                lambda *at: all_of_them(Progress(*at)),
                list(progress),
            )
        return Progress(*done)


@lru_cache(maxsize=64)
def _program_of(structure: Structure, population: int) -> Program:
    return Program(structure, population)


def program_of(structure: Structure, population: int = 1) -> Program:
    """The program of a structure, compiled when it is first called."""
    return _program_of(structure, population)


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


def calls(config: TrialConfig, *, program: Program | None = None) -> Iterator[Progress]:
    """Train a trial; yields where it stands after every call of its program, by default its structure's."""
    program = program or program_of(Structure.of(config))
    settings = Settings.of(config)
    progress = start(config)
    loss = 0.0
    while int(progress.update) < config.updates and math.isfinite(loss):
        done = int(progress.update)
        progress = program(progress, settings, config.updates)
        loss = float(progress.figures[int(progress.update) - done - 1, 0])
        yield progress
        progress = progress._replace(forward={})  # it can take hundreds of megabytes

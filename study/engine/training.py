"""The compiled engine: the whole training loop of a trial as one XLA program.

Batches, labels and masks are drawn inside; the loop stops at the first loss that is not finite or at the budget. A
program is compiled once for each `Structure` in a process; all else is a run-time input of it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from study.config import TrialConfig
from study.engine import batches, model, optimizer
from study.engine.model import Structure, Wiring
from study.engine.runtime import device_name, tf
from study.result import TrialResult

Tensor: TypeAlias = Any

NAME = "compiled"

UPDATES_PER_CALL = 16
"""Updates that a program does before it returns for more: an interrupt waits for no more than these."""


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
        traces: How often it was traced.
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.traces = 0
        self._function = tf.function(self._loop, jit_compile=True, autograph=False)
        self._compiled: Any = None

    def __call__(self, progress: Progress, settings: Settings, last: int) -> Progress:
        """Train up to UPDATES_PER_CALL updates on, to update number `last` or the first loss that is not finite."""
        arguments = progress, settings, tf.constant(last, tf.int64)
        if self._compiled is None:
            self._compiled = self._function.get_concrete_function(*arguments)
        done: Progress = self._compiled(*arguments)
        return done

    def _loop(self, progress: Progress, settings: Settings, last: Tensor) -> Progress:
        self.traces += 1
        end = tf.minimum(last, progress.update + UPDATES_PER_CALL)

        def goes_on(*progress: Any) -> Tensor:
            now = Progress(*progress)
            return (now.update < end) & tf.math.is_finite(now.loss)

        def body(*progress: Any) -> Progress:
            return update(Progress(*progress), settings, structure=self.structure)

        return Progress(*tf.while_loop(goes_on, body, list(progress)))


@lru_cache(maxsize=64)
def program_of(structure: Structure) -> Program:
    """The program of a structure, compiled when it is first called."""
    return Program(structure)


def run(configs: Sequence[TrialConfig]) -> list[TrialResult]:
    """Train every configuration, one after another; see `run_trial`."""
    return [run_trial(config) for config in configs]


def run_trial(config: TrialConfig) -> TrialResult:
    """Train until the first loss that is not finite, or to the budget. Trials of several threads take turns."""
    with _one_at_a_time:
        begin = time.perf_counter()
        program = program_of(Structure.of(config))
        settings = Settings(*(_tensors(value) for value in Settings.of(config)))
        progress = start(config)
        losses: list[float] = []
        while len(losses) < config.updates and (not losses or math.isfinite(losses[-1])):
            progress = program(progress, settings, config.updates)
            losses += progress.losses.numpy()[: int(progress.update) - len(losses)].tolist()
        return TrialResult(
            config=config,
            loss=tuple(losses),
            engine=NAME,
            device=device_name(),
            seconds=time.perf_counter() - begin,
        )


_one_at_a_time = threading.Lock()


def _tensors(value: Any) -> Any:
    if isinstance(value, Wiring):
        return Wiring(*(tf.constant(scalar) for scalar in value))
    return tf.constant(value)

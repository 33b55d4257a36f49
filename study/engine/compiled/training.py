"""The whole training loop of a trial as one XLA program.

Batches, labels and masks are drawn inside; the loop stops at the event that ends a trial or at the budget. A program is
compiled once for each `Structure` in a process; all else is a run-time input of it.

On GPUs a step is bound by the launches of its kernels, which cost the same for many trials as for one. So a program
can train a population of trials of one structure side by side, each in a slot of its own: `update` of one trial, with
an axis added by `side_by_side`. No number of a slot enters another's. On CPUs, where one trial a program is the
default, the population is 1. What that gains is in benchmarks/gpu.md.

A trial's numbers are the same to the last bit alone, in any company and in any slot of a program, but not of
populations of different size: matrix products and sums may then be taken in another order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from study.engine import GPU_POPULATION
from study.engine.compiled.observers import BARE, Capture
from study.engine.compiled.programs import first_call
from study.engine.compiled.settings import Settings
from study.engine.compiled.side_by_side import beside, side_by_side
from study.engine.compiled.state import UPDATES_PER_CALL, LoopState, forward_shapes, initial_state
from study.engine.compiled.update import update
from study.engine.runtime import device_name, tf
from study.engine.structure import Structure
from study.engine.tensors import Scalar, Tensor
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence

GPU_BYTES = 8 * 2**30
"""What a population may take of a GPU's memory. A constant: the population must not depend on what else is there."""


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

    def __call__(self, progress: LoopState, settings: Settings, last: Any) -> LoopState:
        """Train up to UPDATES_PER_CALL updates on: to update number `last`, the event that ends the trial, or the
        first update that brings one of `Cell.events`, so that it is known what that update started from."""
        arguments = progress._replace(forward={}), settings, tf.constant(last, tf.int64)
        done: LoopState
        if self._compiled is None:
            which = self.structure, self.population, self.watched
            self._compiled, done = first_call(lambda: self._traced(arguments), arguments, program=which)
        else:
            done = self._compiled(*arguments)
        return done

    def _traced(self, arguments: Sequence[Any]) -> Any:
        return tf.function(self._loop, jit_compile=True, autograph=False).get_concrete_function(*arguments)

    def _loop(self, progress: LoopState, settings: Settings, last: Tensor) -> LoopState:
        self.traces += 1
        end = tf.minimum(last, progress.update + UPDATES_PER_CALL)
        train = self._one_trial if self.population == 1 else self._trials_side_by_side
        return train(progress, settings, end)

    def _one_trial(self, progress: LoopState, settings: Settings, end: Tensor) -> LoopState:
        begin = progress.update
        if self.watched:
            # The way back reads it anyway: to hand it out takes no time that could be measured.
            shapes = forward_shapes(self.structure)
            progress = progress._replace(forward={name: tf.zeros(shape) for name, shape in shapes.items()})
        done = tf.while_loop(
            lambda *at: _goes_on(LoopState(*at), begin, end),
            lambda *at: self._one_update(LoopState(*at), begin, settings),
            list(progress),
        )
        return LoopState(*done)

    def _trials_side_by_side(self, progress: LoopState, settings: Settings, end: Tensor) -> LoopState:
        begin = progress.update

        def one_update(*at: Any) -> LoopState:
            # Slots whose trial has stopped go along, and keep what they had.
            before = LoopState(*at)
            trains = side_by_side(_goes_on, before, begin, end)
            after: LoopState = tf.nest.map_structure(
                lambda new, old: tf.where(beside(trains, new), new, old),
                side_by_side(self._one_update, before, begin, settings),
                before,
            )
            return after

        done = tf.while_loop(
            lambda *at: tf.reduce_any(side_by_side(_goes_on, LoopState(*at), begin, end)), one_update, list(progress)
        )
        return LoopState(*done)

    def _one_update(self, at: LoopState, begin: Scalar, settings: Settings) -> LoopState:
        number = at.update + 1
        capture = Capture()
        after, figures, happened = update(
            number, at.now, settings, structure=self.structure, instruments=capture if at.forward else BARE
        )
        if not self.watched:
            figures = tf.pad(figures[:1], [[0, figures.shape[0] - 1]])
            happened = happened & np.array([event == "loss" for event in self.structure.cell.events])
        row = tf.cast(at.update - begin, tf.int32)
        return LoopState(
            update=number,
            figures=tf.where(tf.range(UPDATES_PER_CALL)[:, tf.newaxis] == row, figures, at.figures),
            first=tf.where(happened & (at.first == 0), number, at.first),
            ended=_ends(figures[0], settings),
            now=after,
            before=at.now,
            forward={name: capture.tensors[name] for name in at.forward},
        )


def _goes_on(at: LoopState, begin: Scalar, end: Scalar) -> Tensor:
    """Whether a trial is trained on within this call: a bool scalar."""
    stops = at.ended | tf.reduce_any(at.first == at.update)
    return (at.update < end) & ((at.update == begin) | ~stops)


def _ends(loss: Scalar, settings: Settings) -> Tensor:
    """`Divergence.happened` of a loss: a bool scalar."""
    within = (loss >= settings.lowest_loss) & (loss <= settings.highest_loss)
    return ~(tf.math.is_finite(loss) & within)


@lru_cache(maxsize=64)
def _program_of(structure: Structure, population: int) -> Program:
    return Program(structure, population)


def program_of(structure: Structure, population: int = 1) -> Program:
    """The program of a structure, compiled when it is first called."""
    return _program_of(structure, population)


def default_population(structure: Structure) -> int:
    """Trials to train side by side: 1 on CPUs; on GPUs a power of two, at most `GPU_POPULATION`, by `GPU_BYTES`.

    What counts is what an update keeps of all timesteps of a layer, (timesteps, batch, units) for each direction: the
    projections of all gates and their gradients, and the tensors of `Cell.kept`.
    """
    if device_name() == "CPU":
        return 1
    sequence = 4 * structure.timesteps * structure.batch_size * structure.width
    trial = sequence * structure.layers * (2 * len(structure.cell.gates) + len(structure.cell.kept))
    population = GPU_POPULATION
    while population > 1 and population * trial > GPU_BYTES:
        population //= 2
    return population


def calls(
    config: TrialConfig,
    *,
    divergence: Divergence = NONFINITE,
    program: Program | None = None,
    seconds: float = math.inf,
) -> Iterator[LoopState]:
    """Train a trial, and yield where it stands after every call of its program.

    Args:
        config: The trial.
        divergence: The event that ends it before its budget.
        program: Its program; None takes its structure's.
        seconds: How long a call may take, as far as whole updates allow. It changes no number.
    """
    program = program or program_of(Structure.of(config))
    settings = Settings.of(config, divergence=divergence)
    progress = initial_state(config)
    at_most = UPDATES_PER_CALL if math.isinf(seconds) else 1
    while int(progress.update) < config.updates and not bool(progress.ended):
        done = int(progress.update)
        begin = time.perf_counter()
        progress = program(progress, settings, min(config.updates, done + at_most))
        updates = int(progress.update) - done
        if done and math.isfinite(seconds):  # the first call's time is that of compiling
            at_most = int(min(max(seconds * updates / (time.perf_counter() - begin), 1), UPDATES_PER_CALL))
        yield progress
        progress = progress._replace(forward={})  # it can take hundreds of megabytes

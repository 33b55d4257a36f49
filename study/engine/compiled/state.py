"""What a compiled training loop hands on: from update to update, and from call to call."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from study.engine.compiled import optimizer
from study.engine.compiled.settings import initial_weights
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.engine.tensors import BatchUnits, Scalar, Tensor
from study.trial.axes import NONE
from study.trial.config import TrialConfig

UPDATES_PER_CALL = 16
"""Updates that a program does before it returns for more: an interrupt waits for no more than these."""


class TrainState(NamedTuple):
    """All that an update changes and the next one starts from.

    Attributes:
        weights: All weights in one vector, in the order of `Structure.weights`.
        slots: The optimizer's, each as long as the weights.
        momentum_product: u_1 u_2 ... of Nadam.
        state: Of every recurrence, in the order of `Structure.recurrences`, the states of its cell.
    """

    weights: Tensor
    slots: tuple[Tensor, ...]
    momentum_product: Tensor
    state: tuple[tuple[BatchUnits, ...], ...]


class LoopState(NamedTuple):
    """Where a trial stands between updates.

    Attributes:
        update: Number of updates done, int64.
        figures: Of the updates that this call of the program has done: (UPDATES_PER_CALL, figures), a row an update
            with its loss and `Cell.figures`, zeros behind them.
        first: The first update that brought each of `Cell.events`, int64; 0 where none has.
        ended: Whether the last update's loss is the event that ends the trial.
        now: What the next update starts from.
        before: What the last update started from.
        forward: What the last update's way forward computed, see `forward_shapes`. It only comes out of a program,
            and only of one that trains one trial; elsewhere it is empty.
    """

    update: Tensor
    figures: Tensor
    first: Tensor
    ended: Scalar
    now: TrainState
    before: TrainState
    forward: dict[str, Tensor]


def forward_shapes(structure: Structure) -> dict[str, tuple[int, ...]]:
    """Names, as `observers.Capture` gives them, and shapes of what tells where in the recurrent layers a number was not
    finite: their inputs, masks and the sequences of `Cell.kept`; and the labels."""
    timesteps, batch, units = structure.timesteps, structure.batch_size, structure.units
    shapes: dict[str, tuple[int, ...]] = {"labels": (batch, 1)}
    if structure.front_end != NONE:
        shapes["front_end"] = timesteps, batch, structure.features
    for number, layer in enumerate(structure.layer_names(), start=1):
        shapes[f"{layer}_norm"] = timesteps, batch, structure.features if number == 1 else structure.width
    for recurrence in structure.recurrences():
        shapes[f"{recurrence} masks"] = len(structure.cell.gates), batch, units
        shapes |= {f"{recurrence} forward {name}": (timesteps, batch, units) for name in structure.cell.kept}
    return shapes


def initial_state(config: TrialConfig) -> LoopState:
    """A trial before its first update."""
    structure = Structure.of(config)
    weights = initial_weights(config)
    slots = optimizer.RULES[structure.semantics][structure.optimizer][1]
    nothing = tf.zeros((structure.batch_size, structure.units))
    now = TrainState(
        weights=tf.constant(weights),
        slots=(tf.zeros(weights.shape),) * slots,
        momentum_product=tf.constant(1.0),
        state=((nothing,) * len(structure.cell.states),) * len(structure.recurrences()),
    )
    return LoopState(
        update=tf.constant(0, tf.int64),
        figures=tf.zeros((UPDATES_PER_CALL, 1 + len(structure.cell.figures))),
        first=tf.zeros(len(structure.cell.events), tf.int64),
        ended=tf.constant(False),
        now=now,
        before=now,
        forward={},
    )


def by_name(vector: Tensor, structure: Structure) -> dict[str, Tensor]:
    """A vector of all weights, or of as many numbers, taken apart by `Structure.weights`."""
    shapes = structure.weights()
    parts = tf.split(vector, [math.prod(shape) for shape in shapes.values()])
    return {name: tf.reshape(part, shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def end_to_end(tensors: Iterable[Tensor]) -> Tensor:
    """Tensors as one vector: what `by_name` takes apart."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

"""One update of a trial: its batch, the way forward and back, the optimizer's step, and what was seen of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from study.engine.cells.base import HIDDEN, Cell
from study.engine.cells.recurrence import Probe
from study.engine.compiled import growth, model, optimizer
from study.engine.compiled.observers import BARE, Instruments
from study.engine.compiled.settings import Settings
from study.engine.compiled.state import TrainState, by_name, end_to_end
from study.engine.draws import batches
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.engine.tensors import BatchUnits, Scalar, Tensor


def update(
    number: Scalar,
    now: TrainState,
    settings: Settings,
    *,
    structure: Structure,
    instruments: Instruments = BARE,
) -> tuple[TrainState, Tensor, Tensor]:
    """One update, on a batch drawn for it.

    Args:
        number: Of the update, from 1, int64.
        now: What it starts from.
        settings: Of the trial.
        structure: Of the trial.
        instruments: Are shown every tensor between the layers and all that is made of gradients and weights, and go on
            with what they return.

    Returns:
        What the next update starts from; the loss and the figures of `growth`, in one vector; and, for each of
        `Cell.events`, whether it happened.
    """
    passed = _forward_and_back(number, now, settings, structure=structure, instruments=instruments)
    stepped = _step(number, now, passed.gradients, settings, structure=structure, instruments=instruments)
    carried = [passed.state[recurrence] for recurrence in structure.recurrences()]
    figures = growth.figures(
        cell=structure.cell,
        loss=passed.loss,
        probes=list(passed.probes.values()),
        timesteps=structure.timesteps,
        gradients=list(passed.gradients.values()),
        weights=stepped.weights,
        initial=settings.initial_weights,
    )
    return (
        stepped._replace(state=_kept(carried, settings)),
        figures,
        _events(passed, stepped, carried, cell=structure.cell),
    )


class _Passed(NamedTuple):
    """What the way forward and the way back have computed.

    Attributes:
        logits: (batch, 1).
        loss: A scalar.
        gradients: Of every weight, before clipping.
        state: Of every recurrence the states of its cell after the batch.
        probes: Of every recurrence.
    """

    logits: Tensor
    loss: Scalar
    gradients: dict[str, Tensor]
    state: dict[str, tuple[BatchUnits, ...]]
    probes: dict[str, Probe]


def _forward_and_back(
    number: Scalar, now: TrainState, settings: Settings, *, structure: Structure, instruments: Instruments
) -> _Passed:
    """Draw the batch, and differentiate its loss in all weights."""
    observe = instruments.observe
    inputs, labels = _batch(number, settings, structure=structure)
    masks = model.masks(
        settings.seed,
        number,
        recurrent_dropout=settings.recurrent_dropout,
        dropout=settings.dropout,
        structure=structure,
    )
    weights = by_name(now.weights, structure)
    state = dict(zip(structure.recurrences(), now.state, strict=True))
    inputs, labels = observe("inputs", inputs), observe("labels", labels)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        logits, new_state, probes = model.logits(
            weights, inputs, masks, state, wiring=settings.wiring, structure=structure, instruments=instruments
        )
        loss = observe("loss", model.loss_of(labels, logits, semantics=structure.semantics))
    gradients = tape.gradient(loss, weights)
    gradients = {name: observe(f"gradient of {name}", gradient) for name, gradient in gradients.items()}
    return _Passed(logits, loss, gradients, new_state, probes)


def _batch(number: Scalar, settings: Settings, *, structure: Structure) -> tuple[Tensor, Tensor]:
    """Time-major inputs, and labels, of an update."""
    inputs, labels = batches.batch(
        settings.seed,
        number,
        batch_size=structure.batch_size,
        timesteps=structure.timesteps,
        features=structure.features,
        input_mean=settings.input_mean,
        label_balance=settings.label_balance,
        labels_shuffled=settings.labels_shuffled,
        task=structure.task,
    )
    return model.time_major(inputs), labels


def _step(
    number: Scalar,
    now: TrainState,
    gradients: Mapping[str, Tensor],
    settings: Settings,
    *,
    structure: Structure,
    instruments: Instruments,
) -> TrainState:
    """Clip the gradients, take the optimizer's step, and hold the constraints; the states are as before."""
    observe = instruments.observe
    clipped = optimizer.clip(gradients, settings.clipnorm, semantics=structure.semantics)
    step = tf.cast(number, tf.float32)
    momentum_product = now.momentum_product * optimizer.NADAM_MOMENTUM[structure.semantics](step)
    rule, _ = optimizer.RULES[structure.semantics][structure.optimizer]
    stepped, slots = rule(
        now.weights,
        end_to_end(clipped.values()),
        now.slots,
        step=step,
        learning_rate=settings.learning_rate,
        momentum_product=momentum_product,
    )
    slots = tuple(observe(f"slot {index}", slot) for index, slot in enumerate(slots, start=1))
    constrained = structure.constrained()
    weights = end_to_end(
        optimizer.constrain(weight, settings.max_norm) if name in constrained else weight
        for name, weight in by_name(observe("weights after the step", stepped), structure).items()
    )
    return now._replace(weights=observe("weights", weights), slots=slots, momentum_product=momentum_product)


def _events(passed: _Passed, stepped: TrainState, carried: Sequence[tuple[BatchUnits, ...]], *, cell: Cell) -> Tensor:
    """For each of `Cell.events`, whether this update brought it: bool, (events,)."""
    others = {
        state: _all_finite(states[place] for states in carried)
        for place, state in enumerate(cell.states)
        if state != HIDDEN
    }
    finite = {
        "gate": _all_zero([probe.gate for probe in passed.probes.values()]),
        **others,
        HIDDEN: _all_zero([probe.hidden for probe in passed.probes.values()]),
        "output": tf.reduce_all(tf.math.is_finite(passed.logits)),
        "loss": tf.math.is_finite(passed.loss),
        "gradient": _all_finite(passed.gradients.values()),
        "optimizer_state": _all_finite(stepped.slots),
        "weight": tf.reduce_all(tf.math.is_finite(stepped.weights)),
    }
    return ~tf.stack([finite[event] for event in cell.events])


def _all_finite(tensors: Iterable[Tensor]) -> Tensor:
    return tf.reduce_all([True, *(tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors)])


def _all_zero(traces: list[Tensor]) -> Tensor:
    return tf.reduce_all(tf.stack(traces) == 0)


def _kept(carried: Sequence[tuple[BatchUnits, ...]], settings: Settings) -> tuple[tuple[BatchUnits, ...], ...]:
    """The states that the next update starts from: these where the trial is stateful, and zeros elsewhere."""
    stateful = settings.wiring.stateful
    return tuple(tuple(tf.where(stateful, state, 0.0) for state in states) for states in carried)

"""The minimal example as what is diagnosed: the compiled engine trains it, and remedies are other values of its axes.

Most of them, and all seeds, share one compiled program. What is measured is what `examine` measures of a model file.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from study.diagnosis.case import ArrayFacts, Case, RecurrentFacts, growth_per_timestep
from study.diagnosis.remedies import CannotChange, Remedy
from study.diagnosis.remedies.layers import BOUNDED
from study.diagnosis.result import Run
from study.engine.compiled import training
from study.engine.compiled.engine import SECONDS_PER_CALL
from study.engine.compiled.settings import Settings
from study.engine.compiled.state import LoopState, initial_state
from study.engine.draws import batches
from study.engine.onset import search
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.models.onset import ModelOnset
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence
from study.trial.onset import Onset

OnUpdate = Callable[[int, float], None]


def examine(
    config: TrialConfig, *, divergence: Divergence = NONFINITE, on_update: OnUpdate = lambda update, loss: None
) -> Case:
    """Train once as it is, and measure.

    Args:
        config: The trial.
        divergence: The event that ends the training before its budget.
        on_update: Is told the number and the loss of every update.
    """
    began = time.perf_counter()
    first: list[float] = []

    def ended(update: int, loss: float) -> None:
        if not first:
            first.append(time.perf_counter())
        on_update(update, loss)

    trained = _train(config, divergence=divergence, on_update=ended)
    others = len(trained.loss) - 1
    seconds_before = first[0] - began
    facts: dict[str, Any] = {
        "loss": trained.loss,
        "diverged": divergence.happened(trained.loss[-1]),
        "budget": config.updates,
        "onset": None,
        "learning_rate": config.learning_rate,
        "epsilon": None,
        "optimizer": config.optimizer,
        "half": (),
        "arrays": (),
        "bad_rows": (),
        "seconds": (time.perf_counter() - first[0]) / others if others else seconds_before,
        "seconds_before": seconds_before,
    }
    if trained.event is not None:
        facts |= _of_update(config, trained.event)
    return Case(**facts)


def run(config: TrialConfig, remedy: Remedy, *, divergence: Divergence = NONFINITE) -> Run:
    """Train with a remedy, until the event or the budget."""
    began = time.perf_counter()
    try:
        changed = config.replacing(**remedy.of_the_example(config))
    except CannotChange as error:
        return Run(loss=(), diverged=True, refused=str(error))
    trained = _train(changed, divergence=divergence)
    # A weight that is not finite has spoiled a training whose loss does not show it yet.
    spoiled = divergence.happened(trained.loss[-1]) or trained.event is not None
    return Run(loss=trained.loss, diverged=spoiled, seconds=time.perf_counter() - began)


@dataclass(frozen=True, kw_only=True)
class _Trained:
    """What came of a training.

    Attributes:
        loss: Of every update.
        event: Where it stood after the first update with a loss or a weight that is not finite; None where all were.
    """

    loss: tuple[float, ...]
    event: LoopState | None


def _train(config: TrialConfig, *, divergence: Divergence, on_update: OnUpdate = lambda update, loss: None) -> _Trained:
    events = Structure.of(config).cell.events
    losses: list[float] = []
    event: LoopState | None = None
    for progress in training.calls(config, divergence=divergence, seconds=SECONDS_PER_CALL):
        update = int(progress.update)
        for loss in progress.figures.numpy()[: update - len(losses), 0].tolist():
            losses.append(loss)
            on_update(len(losses), loss)
        first = dict(zip(events, progress.first.numpy().tolist(), strict=True))
        if event is None and update in (first["loss"], first["weight"]):
            event = progress
    return _Trained(loss=tuple(losses), event=event)


# --- the update that went wrong -------------------------------------------------------------------------------------


def _of_update(config: TrialConfig, event: LoopState) -> dict[str, Any]:
    number = int(event.update)
    same_update = {}
    if config.activation not in BOUNDED:
        same_update["bounded"] = _stays_finite(config.replacing(activation="tanh"), event)
    with np.errstate(all="ignore"):
        recurrent = tuple(_states(config, event))
    outputs = [_largest_finite(values.numpy()) for name, values in event.forward.items() if not name.endswith("masks")]
    return {
        "onset": _as_of_a_model(search.onset(config, event), bidirectional=config.bidirectional),
        "arrays": tuple(_batch(config, number)),
        "recurrent": recurrent,
        "largest_output": max(outputs, default=0.0),
        "same_update": same_update,
    }


def _stays_finite(changed: TrialConfig, event: LoopState) -> bool:
    """Do the update again with other settings; whether its loss and the weights after it are finite."""
    number = int(event.update)
    start = initial_state(changed)._replace(update=event.update - 1, now=event.before, before=event.before)
    done = training.program_of(Structure.of(changed))(start, Settings.of(changed), number)
    weights = bool(tf.reduce_all(tf.math.is_finite(done.now.weights)))
    return weights and math.isfinite(float(done.figures[0, 0]))


def _states(config: TrialConfig, event: LoopState) -> Iterator[RecurrentFacts]:
    structure = Structure.of(config)
    for name in structure.recurrences():
        kept = [np.abs(event.forward[f"{name} forward {state}"].numpy()) for state in structure.cell.states]
        sizes = np.max([values.max(axis=(1, 2)) for values in kept], axis=0)
        in_time = sizes[::-1] if name.endswith("/backward") else sizes
        yield RecurrentFacts(
            layer=name if config.bidirectional else name.partition("/")[0],
            activation=config.activation,
            bounded=config.activation in BOUNDED,
            growth=growth_per_timestep(in_time.tolist()),
            largest=_largest_finite(sizes),
        )


def _batch(config: TrialConfig, number: int) -> Iterator[ArrayFacts]:
    drawn: Sequence[Any] = batches.batch(
        tf.constant(config.seed, tf.int64), tf.constant(number, tf.int64), **batches.of_config(config)
    )
    for part, tensor in zip("xy", drawn, strict=True):
        values = tensor.numpy().astype(np.float64)
        columns = tuple(range(values.ndim - 1))
        yield ArrayFacts(
            name=part,
            part=part,
            floating=True,
            nonfinite=int((~np.isfinite(values)).sum()),
            columns=(),
            largest=_largest_finite(values),
            deviation=float(values.std(axis=columns).max()),
            distinct=min(20, len(np.unique(values))),
        )


def _largest_finite(values: np.ndarray) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _as_of_a_model(onset: Onset, *, bidirectional: bool) -> ModelOnset:
    """The same in a model's words: the direction of one of two is part of its layer's path."""
    told = {field.name: getattr(onset, field.name) for field in fields(onset)}
    path = f"{onset.layer}/{onset.direction}" if bidirectional and onset.direction else onset.layer
    return ModelOnset(**told | {"direction": None, "layer": path})

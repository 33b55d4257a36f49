"""The first number of an update that is not finite: where it is, and what it was made of.

The compiled program says at which update the first number was not finite, and keeps what that update started from.
Where the recurrent layers made that number, `onset` finds it in what the program has kept of its way forward. Elsewhere
it runs the same update again with a `Recorder`.

NumPy's matrix products round differently in the last bits, which some trials amplify until they are another trial. So
every timestep starts from what the compiler computed: of the way forward the program has kept it, and where the way
back has to be known as well, `captured` computes the gradients of the gates' sums. Where even so an overflow is hidden
by rounding, the onset is where the numbers come closest to the largest, and its `warning` says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from study.engine.cells import activations
from study.engine.cells.base import HIDDEN
from study.engine.cells.recurrence import Recurrence, Recurrent, products
from study.engine.compiled.settings import Settings
from study.engine.compiled.state import LoopState, TrainState, by_name
from study.engine.compiled.update import update
from study.engine.onset.compiled_update import captured
from study.engine.onset.eager_update import Observed, Recorder, recurrent_weights
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.engine.tensors import Tensor
from study.trial.config import TrialConfig
from study.trial.onset import Onset
from study.trial.tensor_name import TensorName
from study.trial.words import EVENTS

LARGEST = float(np.finfo(np.float32).max)


class _Found(NamedTuple):
    """A number, and where it is."""

    observed: Observed
    place: tuple[int, ...]


class _Decided(Exception):
    """Ends an update whose rest does not matter. It carries nothing: what it did would be kept alive by its traceback,
    and an update's numbers are hundreds of megabytes."""


class Seeker(Recorder):
    """Ends the update, by an exception, at the first number beyond a limit or NaN.

    Args:
        structure: Of the trial.
        limit: Largest magnitude that is not beyond.
    """

    def __init__(self, structure: Structure, *, limit: float = LARGEST) -> None:
        super().__init__(structure)
        self._limit = limit
        self.found: _Found | None = None

    def saw(self, group: Sequence[Observed], *, time_step: int | None = None) -> None:
        super().saw(group)
        self.found = self._first_beyond(group, time_step)
        if self.found is not None:
            raise _Decided

    def _first_beyond(self, group: Sequence[Observed], time_step: int | None) -> _Found | None:
        beyond = [self._beyond(one.values) for one in group]
        if time_step is None:
            return next(
                (_Found(one, _place(where)) for one, where in zip(group, beyond, strict=True) if where.any()), None
            )
        at = [np.asarray(where.any(axis=(1, 2)))[::time_step] for where in beyond]
        firsts = [int(np.argmax(where)) if where.any() else len(where) for where in at]
        first = min(firsts)
        if first == len(at[0]):
            return None
        which = firsts.index(first)
        t = first if time_step == 1 else len(at[0]) - 1 - first
        return _Found(group[which], (t, *_place(beyond[which][t])))

    def _beyond(self, values: np.ndarray) -> np.ndarray:
        finite: np.ndarray = np.isfinite(values) if self._limit == LARGEST else np.abs(values) <= self._limit
        return ~finite


class ExactSeeker(Seeker):
    """A replay in which every timestep starts from what the compiler had computed before it.

    Args:
        structure: Of the trial.
        limit: As in `Seeker`.
        exact: By the names of `observers.Capture`: what `state.forward_shapes` names, and more where it is known.
    """

    def __init__(self, structure: Structure, *, limit: float = LARGEST, exact: Mapping[str, np.ndarray]) -> None:
        super().__init__(structure, limit=limit)
        self._exact = exact

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        if name not in self._exact:
            return super().observe(name, tensor)

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def replaced(x: Tensor) -> Any:
            return tf.constant(self._exact[name]), lambda upstream: upstream

        return super().observe(name, replaced(tensor))

    def _forward(
        self,
        projections: Sequence[np.ndarray],
        weights: Recurrent,
        masks: Sequence[np.ndarray],
        start: Mapping[str, np.ndarray],
        *,
        recurrence: Recurrence,
    ) -> dict[str, np.ndarray]:
        cell = recurrence.cell
        kept = {name: self._exact[f"{recurrence.name} forward {name}"] for name in cell.kept}
        before = {name: _before(kept[name], start[name], backwards=recurrence.backwards) for name in cell.states}
        with np.errstate(all="ignore"):
            recurrent = products(before[HIDDEN], weights, masks)
            steps = cell.forward_step(projections, recurrent, before, activate=lambda name, x: kept[name])
        sequences = steps | kept
        self._saw_forward(projections, sequences, start, recurrence=recurrence)
        return sequences

    def look_through_the_layers(self, config: TrialConfig, before: TrainState) -> None:
        """Look at the recurrent layers alone, one after the other, as long as what goes into them is finite.

        It tells what the whole update would and takes a fraction of the time, as nothing has to be drawn.

        Args:
            config: The trial.
            before: What the update starts from.
        """
        structure = self.structure
        weights = {name: value.numpy() for name, value in by_name(before.weights, structure).items()}
        states = dict(zip(structure.recurrences(), before.state, strict=True))
        if not np.isfinite(self._exact.get("front_end", 0)).all():
            return
        for number, layer in enumerate(structure.layer_names(), start=1):
            x = self._exact[f"{layer}_norm"]
            if not np.isfinite(x).all():
                return
            if number == 1:
                self._saw_layer("forward", "labels", TensorName(role="labels"), self._exact["labels"])
            for direction in structure.directions:
                recurrence = Recurrence(
                    name=f"{layer}/{direction}",
                    cell=structure.cell,
                    activation=activations.number_of(config.activation),
                    recurrent_activation=structure.recurrent_activation,
                    semantics=structure.semantics,
                    backwards=direction == "backward",
                )
                self._look_through(recurrence, x, weights, states[recurrence.name])

    def _look_through(
        self, recurrence: Recurrence, x: np.ndarray, weights: Mapping[str, np.ndarray], state: Sequence[Tensor]
    ) -> None:
        cell, gates = recurrence.cell, len(recurrence.cell.gates)
        kernel, bias, recurrent = (
            weights[f"{recurrence.name}/{part}"] for part in ("kernel", "bias", "recurrent_kernel")
        )
        input_bias, recurrent_bias = cell.biases(bias)
        with np.errstate(all="ignore"):
            projected = (x.reshape(-1, x.shape[-1]) @ kernel + input_bias).reshape(*x.shape[:2], -1)
        start = {name: one.numpy() for name, one in zip(cell.states, state, strict=True)}
        self._forward(
            np.split(projected, gates, axis=-1),
            recurrent_weights(recurrent, recurrent_bias, gates=gates),
            list(self._exact[f"{recurrence.name} masks"]),
            start,
            recurrence=recurrence,
        )

    def known_gradients(self, recurrence: Recurrence, t: int) -> dict[str, np.ndarray]:
        names = {name: f"{recurrence.name} backward {name}" for name in recurrence.stored_gradients}
        return {name: self._exact[key][t] for name, key in names.items() if key in self._exact}


def _before(sequence: np.ndarray, start: np.ndarray, *, backwards: bool) -> np.ndarray:
    """What every timestep finds: the value of the one read before it."""
    first = start[np.newaxis]
    return np.concatenate([sequence[1:], first] if backwards else [first, sequence[:-1]])


def _place(where: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(where)), where.shape))


NEARLY = (0.999, 0.9)
"""Shares of the largest float32 that count as an overflow where rounding has hidden it; see the module's text."""


def onset(config: TrialConfig, progress: LoopState) -> Onset:
    """The very first number that is not finite in the update that `progress` ends with.

    Args:
        config: The trial.
        progress: Where it stands after an update that brought one of `Cell.events`.
    """
    number, before, structure = int(progress.update), progress.before, Structure.of(config)
    if progress.forward:
        exact = {name: values.numpy() for name, values in progress.forward.items()}
        seeker = ExactSeeker(structure, exact=exact)
        with suppress(_Decided):
            seeker.look_through_the_layers(config, before)
        if seeker.found is not None:
            return _described(number, seeker.found, warning=_data_warning(seeker))
        found = seek(config, number, before, ExactSeeker(structure, exact=exact))
        if found is not None:
            return found
    exact = captured(config, number, before)
    for share in (1.0, *NEARLY):
        found = seek(config, number, before, ExactSeeker(structure, limit=share * LARGEST, exact=exact))
        if found is not None:
            nearly = "it came close to the largest number in the replay, and did not pass it by rounding"
            return found if share == 1.0 else replace(found, warning=nearly)
    event = next(event for event, first in zip(structure.cell.events, progress.first.numpy(), strict=True) if first)
    return Onset(
        update=number,
        phase=EVENTS[event].phase,
        what=TensorName(role=event),
        value="nan",
        warning="the compiled program met it, its replay did not",
    )


def seek(config: TrialConfig, number: int, before: TrainState, seeker: Seeker) -> Onset | None:
    """The first number of an update that a seeker finds; None where there is none.

    Args:
        config: The trial.
        number: Of the update.
        before: What it starts from.
        seeker: Made for the trial's structure.
    """
    settings = Settings.of(config)
    with suppress(_Decided):
        update(tf.constant(number, tf.int64), before, settings, structure=seeker.structure, instruments=seeker)
    if seeker.found is None:
        return None
    return _described(number, seeker.found, warning=_data_warning(seeker))


def _described(number: int, found: _Found, *, warning: str | None) -> Onset:
    one, index = found.observed, found.place
    place = dict(zip(one.axes, index, strict=True))
    value = float(one.values[index])
    return Onset(
        update=number,
        phase=one.phase,
        layer=one.layer,
        direction=one.direction,
        what=one.tensor,
        timestep=place.get("timestep"),
        sample=place.get("sample"),
        unit=place.get("unit"),
        index=index,
        value=str(value) if not math.isfinite(value) else f"{value:.6g}",
        operands=one.operands(index),
        warning=warning,
    )


def _data_warning(recorder: Recorder) -> str | None:
    """What is wrong with the labels, in a sentence."""
    for one in recorder.observed:
        if one.tensor.role == "labels" and ((one.values < 0) | (one.values > 1)).any():
            sample = _place((one.values < 0) | (one.values > 1))[0]
            return f"the label of sample {sample} is {one.values[sample, 0]:g}, not between 0 and 1"
    return None

"""The numbers around the onset: the last timesteps of its unit, or its neighbours in its tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.models.walk.look import Look, SeenRecurrence
from study.trial.anatomy import Neighbourhood
from study.trial.onset import Onset

TIMESTEPS = 7
"""Of a unit's past that are shown."""

REACH = 3
"""Neighbours on either side."""


def neighbourhoods(onset: Onset, looks: Sequence[Look]) -> tuple[Neighbourhood, ...]:
    """The numbers around the onset in its update, and those in the same place in the update before.

    Args:
        onset: Of the training.
        looks: Its update and the one before, as far as they could be repeated.
    """
    found = (_of_unit(onset, one) or _of_tensor(onset, one) for one in reversed(looks))
    return tuple(one for one in found if one is not None)


def _of_unit(onset: Onset, seen: Look) -> Neighbourhood | None:
    """All that the cell computed for the unit, over the timesteps up to the onset's."""
    if onset.timestep is None or onset.unit is None or onset.phase != "forward":
        return None
    recurrence = next((one for one in seen.recurrences if one.layer == onset.layer), None)
    if recurrence is None or not recurrence.states:
        return None
    timesteps, samples, units = next(iter(recurrence.states.values())).shape
    sample = min(onset.sample or 0, samples - 1)
    if onset.timestep >= timesteps or onset.unit >= units:
        return None
    step = -1 if recurrence.backwards else 1
    shown = [onset.timestep - step * back for back in range(TIMESTEPS - 1, -2, -1)]
    shown = [one for one in shown if 0 <= one < timesteps]
    columns = {**recurrence.inside, **recurrence.states}
    columns = {
        name: values
        for name, values in columns.items()
        if values.shape == (timesteps, samples, units) and (name == onset.tensor or not _implied(name))
    }
    values = np.array([[column[t, sample, onset.unit] for column in columns.values()] for t in shown])
    names = list(columns)
    return Neighbourhood(
        title=f"Update {seen.update}: unit {onset.unit} of {recurrence.path} in sample {sample}, timestep by timestep",
        down="timestep",
        across="",
        rows=tuple(map(str, shown)),
        columns=tuple(name.replace("_", " ") for name in names),
        values=values,
        marked=(shown.index(onset.timestep), _column(onset, recurrence, names)),
    )


def _implied(name: str) -> bool:
    """Whether a column says little beside the others."""
    return name.endswith("_sum") or name.startswith("activated_")


def _column(onset: Onset, recurrence: SeenRecurrence, names: list[str]) -> int:
    """Of the onset's tensor; where it has none of its own, that of the hidden state."""
    wanted = onset.tensor if onset.tensor in names else next(iter(recurrence.states))
    return names.index(wanted)


def _of_tensor(onset: Onset, seen: Look) -> Neighbourhood | None:
    """The numbers on either side of the onset's, along the last two axes of its tensor."""
    found = _tensor_of(onset, seen)
    if found is None:
        return None
    what, values, index = found
    if values.ndim == 1:
        values, index = values[:, np.newaxis], (*index, 0)
    matrix = values[index[:-2]]
    row, column = index[-2:]
    rows, columns = _around(row, matrix.shape[0]), _around(column, matrix.shape[1])
    down, across = _axes(onset, values.ndim)
    where = f", sample {index[0]}" if values.ndim > 2 and onset.sample == index[0] else ""
    return Neighbourhood(
        title=f"Update {seen.update}: {what}{where}",
        down=down,
        across=across,
        rows=tuple(map(str, rows)),
        columns=tuple(map(str, columns)),
        values=matrix[np.ix_(rows, columns)],
        marked=(rows.index(row), columns.index(column)),
    )


def _around(place: int, size: int) -> list[int]:
    return list(range(max(place - REACH, 0), min(place + REACH + 1, size)))


def _axes(onset: Onset, dimensions: int) -> tuple[str, str]:
    if onset.sample is None:
        return "row", "column"
    return ("timestep" if dimensions == 3 else "sample" if dimensions == 2 else "position"), (
        "feature" if onset.phase == "data" else "unit"
    )


def _tensor_of(onset: Onset, seen: Look) -> tuple[str, np.ndarray, tuple[int, ...]] | None:
    """What it is called, its numbers, and the place of the onset or of its sample in it."""
    name = onset.tensor
    path = name.removeprefix("gradient of ")
    layers = [one for one in seen.layers if one.layer == (onset.layer if path == name else path)]
    candidates = [(source, values) for source, values in (*seen.data.items(), *seen.weights.items()) if source == name]
    if name != path:
        candidates += [(f"the gradient of {path}", seen.gradients[path])] if path in seen.gradients else []
        of_outputs = [(one.path, out, values) for one in layers for out, values in one.gradients.items()]
        candidates += [(f"the gradient of the {out} of {of}", values) for of, out, values in of_outputs]
    if onset.phase == "loss" or not layers:
        layers = [one for one in seen.layers if one.layer == onset.layer] or [
            one for one in seen.layers if one.depth == 0
        ][-1:]
    candidates += [(f"the {out} of {one.path}", values) for one in layers for out, values in one.outputs.items()]
    for what, values in candidates:
        if onset.index and len(onset.index) == values.ndim and _fits(onset.index, values):
            return what, values, onset.index
    for what, values in candidates:
        if onset.sample is not None and values.ndim and onset.sample < len(values) and values.size:
            return what, values, (onset.sample, *(0 for _ in values.shape[1:]))
    return None


def _fits(index: tuple[int, ...], values: np.ndarray) -> bool:
    return all(0 <= place < size for place, size in zip(index, values.shape, strict=True))

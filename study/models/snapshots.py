"""The updates around an onset of a user's model, repeated and reduced to what a page shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from study.models.around import neighbourhoods
from study.models.moment import Moment
from study.models.walk.look import Look, SeenLayer, SeenRecurrence, look
from study.trial.anatomy import LayerSeen, Picture, Snapshot
from study.trial.onset import Onset
from study.trial.reduction import Heatmap, Histogram, Statistics

OTHERS = 12
"""Layers beside the one in focus whose outputs are drawn; all are in the tables."""

SYMBOLS = {"hidden_state": "h", "cell_state": "c"}

Named = tuple[str, Moment]
"""The name of a snapshot, and what its update starts from."""


@dataclass(frozen=True, kw_only=True)
class Focus:
    """What the pictures are of.

    Attributes:
        layer: The onset's, by the path of its call, or the last; None of a model that calls none.
        recurrence: The onset's recurrent layer, or the last; None where there is none.
        sample: Of the batch.
    """

    layer: str | None
    recurrence: str | None
    sample: int

    @classmethod
    def of(cls, onset: Onset | None, seen: Look) -> Focus:
        wanted = None if onset is None else onset.layer
        recurrences = [one.path for one in seen.recurrences]
        own = [one.path for one in seen.recurrences if wanted is not None and _within(one.layer, wanted)]
        layers = [one.path for one in seen.layers if one.layer == wanted] or _default(onset, seen)
        sample = 0 if onset is None or onset.sample is None else onset.sample
        return cls(layer=next(iter(layers), None), recurrence=next(iter(own or recurrences[-1:]), None), sample=sample)


def _within(layer: str, wanted: str) -> bool:
    return layer == wanted or layer.startswith(f"{wanted}/")


def _default(onset: Onset | None, seen: Look) -> list[str]:
    outermost = [one.path for one in seen.layers if one.depth == 0]
    return outermost[:1] if onset is not None and onset.phase == "data" else outermost[-1:]


def anatomy_of_updates(model: Any, moments: Sequence[Named], *, onset: Onset | None) -> dict[str, Any]:
    """Repeat updates and reduce what is seen.

    Args:
        model: Compiled, and built; it is left as it was found.
        moments: What the updates of the snapshots start from, by name.
        onset: Of the training; None where it stayed finite.

    Returns:
        What `study.trial.anatomy.Anatomy` takes.
    """
    snapshots: list[Snapshot] = []
    notes: list[str] = []
    around: list[Look] = []
    focus: Focus | None = None
    recurrence: SeenRecurrence | None = None
    for name, moment in moments:
        try:
            seen = look(model, moment)
        except Exception as error:
            said = " ".join(str(error).split())[:300]
            notes.append(
                f"Update {moment.update} could not be repeated operation by operation, so it is not shown "
                f"({type(error).__name__}: {said})."
            )
            continue
        if focus is None or recurrence is None:
            focus = Focus.of(onset, seen)
            recurrence = next((one for one in seen.recurrences if one.path == focus.recurrence), None)
            notes += list(_unseen(seen))
        if onset is not None and moment.update in (onset.update - 1, onset.update):
            around.append(seen)
        snapshots.append(snapshot_of(name, seen, focus))
    return {
        "onset": onset,
        "snapshots": tuple(snapshots),
        "recurrence": None if focus is None else focus.recurrence,
        "backwards": recurrence is not None and recurrence.backwards,
        "gates": () if recurrence is None else tuple(recurrence.gates),
        "sample": 0 if focus is None else focus.sample,
        "neighbourhoods": () if onset is None else neighbourhoods(onset, around),
        "notes": tuple(notes),
    }


def _unseen(seen: Look) -> list[str]:
    """Sentences on what a look does not show of a model."""
    known = {one.path for one in seen.recurrences}
    whole = [one.path for one in seen.layers if one.recurrent and one.path not in known]
    sentences = []
    if not seen.layers:
        sentences.append("The training step calls no layer, so only data, weights and gradients are shown.")
    if whole:
        sentences.append(
            f"{', '.join(whole)} computes its sequence in one operation, so its timesteps are not shown one by one."
        )
    if not any(one.gradients for one in seen.layers) and seen.layers:
        sentences.append("No gradient of a layer's output was seen: the training step takes none in Keras's way.")
    return sentences


def snapshot_of(name: str, seen: Look, focus: Focus) -> Snapshot:
    """What is kept of an update."""
    recurrence = next((one for one in seen.recurrences if one.path == focus.recurrence), None)
    with np.errstate(all="ignore"):
        return Snapshot(
            name=name,
            update=seen.update,
            loss=seen.loss,
            statistics={
                group: {tensor: Statistics.of(values) for tensor, values in tensors.items() if values.size}
                for group, tensors in _groups(seen).items()
            },
            pictures=_pictures(seen, focus),
            growth={} if recurrence is None else dict(_growth(recurrence)),
            layers={one.path: _on_map(one) for one in seen.layers},
        )


def _growth(recurrence: SeenRecurrence) -> list[tuple[str, np.ndarray]]:
    return [
        (SYMBOLS.get(state, state), np.abs(values).max(axis=(1, 2)))
        for state, values in recurrence.states.items()
        if values.size
    ]


def _on_map(layer: SeenLayer) -> LayerSeen:
    first = next(iter(layer.outputs.values()), None)
    return LayerSeen(
        layer=layer.layer,
        kind=layer.kind,
        depth=layer.depth,
        shape=() if first is None else first.shape,
        output=_together(layer.outputs),
        gradient=_together(layer.gradients),
        weights=_together(layer.weights),
    )


def _together(tensors: Mapping[str, np.ndarray]) -> Statistics | None:
    flat = [np.ravel(values) for values in tensors.values() if values.size]
    return Statistics.of(np.concatenate(flat)) if flat else None


# --- tables ---------------------------------------------------------------------------------------------------------


def _groups(seen: Look) -> dict[str, dict[str, np.ndarray]]:
    return {
        "data": dict(seen.data),
        "layer_outputs": {
            title: values for one in seen.layers for title, values in _titled(one.path, one.outputs, "output")
        },
        "states": {
            f"{_words(state)} of {one.path}": values for one in seen.recurrences for state, values in one.states.items()
        },
        "output_gradients": {
            title: values for one in seen.layers for title, values in _titled(one.path, one.gradients, "output")
        },
        "gradients": dict(_by_gate(seen, seen.gradients)),
        "weights": dict(_by_gate(seen, seen.weights)),
    }


def _titled(path: str, tensors: Mapping[str, np.ndarray], alone: str) -> list[tuple[str, np.ndarray]]:
    return [(path if name == alone else f"{path}, {name}", values) for name, values in tensors.items()]


def _by_gate(seen: Look, tensors: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Weights of Keras's own cells, or their gradients, gate by gate; all others as they are."""
    gates = {path: one.gates for one in seen.recurrences for path in _weights_of(seen, one.path)}
    split = []
    for path, values in tensors.items():
        names = gates.get(path, ())
        if not names or values.shape[-1] % len(names):
            split.append((path, values))
            continue
        parts = np.split(values, len(names), axis=-1)
        split += [(f"{path}, {gate}", part) for gate, part in zip(names, parts, strict=True)]
    return split


def _weights_of(seen: Look, path: str) -> Mapping[str, np.ndarray]:
    return next((one.weights for one in seen.layers if one.path == path), {})


def _words(state: str) -> str:
    return state.replace("_", " ")


# --- pictures -------------------------------------------------------------------------------------------------------


def _pictures(seen: Look, focus: Focus) -> dict[str, Picture]:
    pictures: dict[str, Picture | None] = {}
    layer = next((one for one in seen.layers if one.path == focus.layer), None)
    recurrence = next((one for one in seen.recurrences if one.path == focus.recurrence), None)
    of_layer = layer is not None and recurrence is not None and _within(recurrence.layer, layer.layer)
    if layer is not None:
        pictures |= {title: _of_layer(values, focus) for title, values in _titled_inputs(layer)}
    if recurrence is not None:
        pictures |= _of_recurrence(recurrence, focus, inside=of_layer)
    if layer is not None:
        named = [("output", layer.outputs), ("gradient of the output", layer.gradients)]
        for word, tensors in named:
            pictures |= {
                f"{title} of {layer.path}": _of_layer(values, focus)
                for title, values in ((name.replace("output", word), values) for name, values in tensors.items())
            }
        pictures |= _of_weights(seen, layer.path, () if recurrence is None or not of_layer else recurrence.gates)
    others = [one for one in seen.layers if one.path != focus.layer and one.outputs and one.kind != "InputLayer"]
    for one in others[-OTHERS:]:
        pictures |= {f"{name} of {one.path}": _of_layer(values, focus) for name, values in one.outputs.items()}
    return {title: picture for title, picture in pictures.items() if picture is not None}


def _titled_inputs(layer: SeenLayer) -> list[tuple[str, np.ndarray]]:
    return [(f"{name} of {layer.path}", values) for name, values in layer.inputs.items()]


def _of_recurrence(recurrence: SeenRecurrence, focus: Focus, *, inside: bool) -> dict[str, Picture | None]:
    gates = {name: values for name, values in recurrence.inside.items() if inside and not name.endswith("_sum")}
    of = f"of {recurrence.path}"
    return {
        **{f"{_words(name)} {of}": _over_time(values, focus) for name, values in gates.items()},
        **{f"{_words(name)} {of}": _over_time(values, focus) for name, values in recurrence.states.items()},
        **{
            f"gradient of the {_words(name)} {of}": _over_time(values, focus)
            for name, values in recurrence.gradients.items()
        },
    }


def _over_time(values: np.ndarray, focus: Focus) -> Picture | None:
    """A sequence, (timesteps, batch, width): one sample as a heatmap."""
    if not values.size:
        return None
    sample = min(focus.sample, values.shape[1] - 1)
    return Picture(
        heatmap=Heatmap.of(values[:, sample].T), histogram=Histogram.of(values), across="timestep", down="unit"
    )


def _of_layer(values: np.ndarray, focus: Focus) -> Picture | None:
    """What a layer takes or gives, (batch, ...): with timesteps one sample, else all samples."""
    if not values.size or not values.ndim:
        return None
    across, down = "unit", "sample"
    if values.ndim <= 2:
        matrix = values.reshape(len(values), -1)
    else:
        sample = values[min(focus.sample, len(values) - 1)]
        matrix = sample.reshape(-1, sample.shape[-1]).T
        across, down = ("timestep", "unit") if values.ndim == 3 else ("position", "channel")
    return Picture(heatmap=Heatmap.of(matrix), histogram=Histogram.of(values), across=across, down=down)


def _of_weights(seen: Look, path: str, gates: Sequence[str]) -> dict[str, Picture | None]:
    pictures: dict[str, Picture | None] = {}
    for weight, values in _weights_of(seen, path).items():
        if values.ndim < 2:
            continue
        gradient = seen.gradients.get(weight)
        if gradient is not None and gradient.shape == values.shape:
            pictures[f"gradient of the {_words(weight.rpartition('/')[2])} of {path}"] = _kernel(gradient, gates)
        pictures[f"{_words(weight.rpartition('/')[2])} of {path}"] = _kernel(values, gates)
    return pictures


def _kernel(values: np.ndarray, gates: Sequence[str]) -> Picture | None:
    if not values.size:
        return None
    matrix = values.reshape(-1, values.shape[-1])
    by_gate = bool(gates) and matrix.shape[1] % len(gates) == 0
    return Picture(
        heatmap=Heatmap.of(matrix),
        histogram=Histogram.of(values),
        across="units, by gate" if by_gate else "unit",
        down="row",
        by_gate=by_gate,
    )

"""Replays a trial and looks into the updates around its onset.

The trial is trained once more by the compiled program. What the updates of interest start from is kept, or reached
again from the nearest point that was; each of them is then replayed in NumPy with everything in it looked at.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from study.engine.cells.base import HIDDEN, Cell
from study.engine.compiled import engine as compiled
from study.engine.compiled import training
from study.engine.compiled.settings import Settings
from study.engine.compiled.state import LoopState, TrainState, initial_state
from study.engine.compiled.update import update
from study.engine.draws import batches
from study.engine.memory import telling_of_memory
from study.engine.onset.eager_update import Recorder
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.trial.anatomy import AFTER, AT, BEFORE, LAST, ONSET, Picture, Snapshot, TrialAnatomy
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence
from study.trial.reduction import Heatmap, Histogram, Statistics
from study.trial.result import TrialResult


def anatomy_of(
    config: TrialConfig,
    *,
    divergence: Divergence = NONFINITE,
    on_update: Callable[[int, float], None] | None = None,
) -> TrialAnatomy:
    """Train a trial with the compiled engine and take it apart around its onset.

    Args:
        config: The trial.
        divergence: The event that ends it before its budget.
        on_update: Is told the number and the loss of every update.

    Raises:
        OutOfMemory: It needs more than there is.
    """
    with telling_of_memory():
        return _anatomy_of(config, divergence, on_update)


def _anatomy_of(
    config: TrialConfig, divergence: Divergence, on_update: Callable[[int, float], None] | None
) -> TrialAnatomy:
    kept: deque[LoopState] = deque(maxlen=2)
    around_onset: list[LoopState] = []

    def watch(progress: LoopState) -> None:
        kept.append(progress._replace(forward={}))
        if not around_onset and np.any(progress.first.numpy()):
            around_onset.extend(kept)

    result = compiled.run_trial(config, divergence=divergence, watch=watch, on_update=on_update)
    onset = result.onset
    within = onset is not None and onset.layer is not None and onset.direction is not None
    structure = Structure.of(config)
    recurrence = f"{onset.layer}/{onset.direction}" if within and onset else f"{structure.layer_names()[-1]}/forward"
    sample = 0 if onset is None or onset.sample is None else onset.sample
    known = [initial_state(config), *around_onset, *kept]
    snapshots = [
        _snapshot(name, number, _start_of(number, known, config), config=config, recurrence=recurrence, sample=sample)
        for name, number in updates_of_interest(result)
    ]
    return TrialAnatomy(
        result=result,
        onset=onset,
        snapshots=tuple(snapshots),
        recurrence=recurrence,
        backwards=recurrence.endswith("/backward"),
        gates=structure.cell.gates,
        sample=sample,
    )


def updates_of_interest(result: TrialResult) -> list[tuple[str, int]]:
    """Names and numbers of the updates that a page shows."""
    if not result.diverged and result.onset is None:
        return [(LAST, result.updates)]
    at = result.updates if result.diverged or result.onset is None else result.onset.update
    around = [(name, number) for name, number in ((BEFORE, at - 1), (AT, at), (AFTER, at + 1)) if number >= 1]
    if result.onset is not None and result.onset.update < at - 1:
        around.insert(0, (ONSET, result.onset.update))
    return around


def _start_of(number: int, known: list[LoopState], config: TrialConfig) -> TrainState:
    """What an update starts from."""
    for progress in known:
        if int(progress.update) == number:
            return progress.before
    nearest = max((p for p in known if int(p.update) < number), key=lambda progress: int(progress.update))
    program, settings = training.program_of(Structure.of(config)), Settings.of(config)
    while int(nearest.update) < number - 1:
        nearest = program(nearest, settings, number - 1)
    return nearest.now


def _snapshot(
    name: str, number: int, start: TrainState, *, config: TrialConfig, recurrence: str, sample: int
) -> Snapshot:
    structure = Structure.of(config)
    recorder = Recorder(structure)
    with np.errstate(all="ignore"):
        _, figures, _ = update(
            tf.constant(number, tf.int64),
            start,
            Settings.of(config),
            structure=structure,
            instruments=recorder,
        )
    seen = {
        (one.layer, one.direction, str(one.tensor)): one.values for one in recorder.observed if one.phase != "optimizer"
    }
    logits = seen["dense", None, "logit"]
    with np.errstate(all="ignore"):
        probabilities = 1 / (1 + np.exp(-logits))
    weights = _by_name(start.weights.numpy(), structure)
    used = batches.initial_weights(config)  # the others are of a wiring that the trial does not have
    gradients = {weight: seen[weight.split("/")[0], _direction(weight), f"gradient of {weight}"] for weight in used}
    layer, direction = recurrence.split("/")
    sequences = recorder.timesteps[recurrence]
    last = {name: 0 if name.endswith("backward") else -1 for name in structure.recurrences()}
    inputs = {f"input of {one}": seen[f"{one}_norm", None, f"{one}_norm"] for one in structure.layer_names()}
    states = {
        f"{_words(state)} of {name}": recorder.timesteps[name][state]
        for name in structure.recurrences()
        for state in structure.cell.states
    }
    outputs = {f"last output of {name}": recorder.timesteps[name][HIDDEN][end] for name, end in last.items()}
    outputs |= {"logit": logits, "probability (Dense output)": probabilities}
    groups = {
        "inputs": inputs,
        "states": states,
        "outputs": outputs,
        "gradients": dict(_by_gate(gradients, structure.cell)),
        "weights": dict(_by_gate({weight: weights[weight] for weight in used}, structure.cell)),
    }
    kernels = {
        "kernel": (f"{recurrence}/kernel", "row: feature"),
        "recurrent kernel": (f"{recurrence}/recurrent_kernel", "row: unit"),
    }
    d_hidden = seen[layer, direction, f"gradient of {HIDDEN}"]
    gates = len(structure.cell.gates)
    pictures = {
        "input": _over_time(inputs[f"input of {layer}"], sample, down="feature"),
        **{_words(state): _over_time(sequences[state], sample, down="unit") for state in structure.cell.states},
        "output": _matrix(sequences[HIDDEN][last[recurrence]], across="unit", down="sample"),
        "gradient of the hidden state": _over_time(d_hidden, sample, down="unit"),
        **{f"gradient of the {name}": _kernel(gradients[path], rows, gates) for name, (path, rows) in kernels.items()},
        **{name: _kernel(weights[path], rows, gates) for name, (path, rows) in kernels.items()},
    }
    with np.errstate(all="ignore"):
        return Snapshot(
            name=name,
            update=number,
            loss=float(figures[0]),
            statistics={
                group: {tensor: Statistics.of(values) for tensor, values in tensors.items()}
                for group, tensors in groups.items()
            },
            pictures=pictures,
            growth={
                symbol: np.abs(sequences[state]).max(axis=(1, 2)) for state, symbol in structure.cell.states.items()
            },
            logits=logits[:, 0],
        )


def _by_name(vector: np.ndarray, structure: Structure) -> dict[str, np.ndarray]:
    shapes = structure.weights()
    parts = np.split(vector, np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _words(state: str) -> str:
    return state.replace("_", " ")


def _over_time(values: np.ndarray, sample: int, *, down: str) -> Picture:
    """A sequence, (timesteps, batch, width): one sample as a heatmap."""
    return Picture(
        heatmap=Heatmap.of(values[:, sample].T), histogram=Histogram.of(values), across="timestep", down=down
    )


def _matrix(values: np.ndarray, *, across: str, down: str, by_gate: bool = False) -> Picture:
    return Picture(
        heatmap=Heatmap.of(values), histogram=Histogram.of(values), across=across, down=down, by_gate=by_gate
    )


def _kernel(values: np.ndarray, down: str, gates: int) -> Picture:
    return _matrix(values, across="units, by gate" if gates > 1 else "unit", down=down, by_gate=gates > 1)


def _direction(weight: str) -> str | None:
    parts = weight.split("/")
    return parts[1] if len(parts) == 3 else None


def _by_gate(tensors: dict[str, np.ndarray], cell: Cell) -> Iterator[tuple[str, np.ndarray]]:
    """A recurrent layer's weights, or their gradients, gate by gate; all others as they are."""
    for name, values in tensors.items():
        if _direction(name) is None:
            yield name, values
            continue
        for gate, part in zip(cell.gates, np.split(values, len(cell.gates), axis=-1), strict=True):
            yield f"{name}, {gate}", part

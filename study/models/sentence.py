"""What was first, in one sentence of plain words."""

from __future__ import annotations

import math

from study.models.config import ModelConfig
from study.trial.onset import Onset
from study.trial.result import TrialResult

GATES = {
    "input": "input gate",
    "forget": "forget gate",
    "output": "output gate",
    "candidate": "candidate",
    "update": "update gate",
    "reset": "reset gate",
}

TENSORS = {
    **{f"{gate}_sum": f"the sum before the activation of the {words}" for gate, words in GATES.items()},
    **{f"{gate}_gate": f"the {words}" for gate, words in GATES.items()},
    "candidate": "the candidate",
    "hidden_sum": "the sum before the activation",
    "hidden_state": "the hidden state",
    "cell_state": "the cell state",
    "activated_cell_state": "the activated cell state",
    "output": "the output",
    "state": "the state",
    "sum": "the sum before the activation",
    "loss": "the loss",
}

DATA = {"x": "an input of the model", "y": "a target", "sample_weight": "a sample weight"}


def verdict(result: TrialResult[ModelConfig]) -> str:
    """What went wrong first in a trial, and when the loss followed, in a sentence or two."""
    onset = result.onset
    if onset is None:
        return f"No loss and no weight stopped being finite in {result.updates} updates."
    if not result.diverged:
        return f"{sentence(onset)} The loss stayed finite to the end of the budget of {result.updates} updates."
    later = result.updates - onset.update
    if not later:
        return sentence(onset)
    when = "in the next update" if later == 1 else f"{later} updates later"
    return f"{sentence(onset)} The loss was no longer finite {when}."


def sentence(onset: Onset) -> str:
    """What was the first number that is not finite, where it was and what it was made of.

    Positions count from 0, updates from 1.
    """
    words = (
        f"At update {onset.update} {_subject(onset)} {_happened(onset)}{_place(onset)}{_made_of(onset)}{_line(onset)}."
    )
    return f"{words} Note: {onset.warning}." if onset.warning else words


def _subject(onset: Onset) -> str:
    if onset.phase == "data":
        part, _, name = onset.tensor.partition("/")
        return f"{DATA[part]} ({name})" if name else DATA[part]
    tensor = onset.tensor
    if tensor.startswith("gradient of "):
        return f"the gradient of {_gradient_of(tensor.removeprefix('gradient of '), onset)}"
    if onset.phase == "optimizer":
        return f"{tensor}, changed by the optimizer,"
    if tensor.startswith("regularizer of "):
        return f"the {tensor}"
    if onset.phase == "loss":
        of = f" of output {onset.layer}" if onset.layer else ""
        return f"the loss{of}" if tensor == "loss" else f"{tensor} in the loss{of}"
    if "/" in tensor:
        return tensor
    inside = TENSORS.get(tensor)
    return f"{inside or tensor} of layer {onset.layer}" if inside else f"{tensor} in layer {onset.layer}"


def _gradient_of(path: str, onset: Onset) -> str:
    where, _, last = path.rpartition("/")
    if where and where == onset.layer:
        return f"{TENSORS[last]} of layer {where}" if last in TENSORS else f"{last} in layer {where}"
    return f"the output of layer {path}" if path == onset.layer else path


def _happened(onset: Onset) -> str:
    if onset.value in ("inf", "-inf"):
        infinite = "infinite" if onset.value == "inf" else "minus infinity"
        if onset.phase == "data":
            return f"was {infinite}"
        large = any(math.isfinite(value) and abs(value) > 1 for value in onset.operands.values())
        return "overflowed" if large and not _is_pole(onset) else f"became {infinite}"
    if onset.value != "nan":
        return f"was the number closest to an overflow ({onset.value})"
    return "was NaN" if onset.phase == "data" else "became NaN"


def _is_pole(onset: Onset) -> bool:
    """Whether the number was made at a place where a function has no value, rather than by growing."""
    return any(value == 0 for value in onset.operands.values())


def _place(onset: Onset) -> str:
    at = "" if onset.timestep is None else f" at timestep {onset.timestep}"
    row = ("row", onset.row) if onset.row is not None else ("sample", onset.sample)
    unit = ("feature" if onset.phase == "data" else "unit", onset.unit)
    inside = ", ".join(f"{name} {number}" for name, number in (row, unit) if number is not None)
    if not inside and onset.index:
        inside = f"index {', '.join(map(str, onset.index))}"
    return f"{at} ({inside})" if inside else at


def _made_of(onset: Onset) -> str:
    if not onset.operands:
        return ""
    return ", made of " + " and ".join(f"{name} = {value:.6g}" for name, value in onset.operands.items())


def _line(onset: Onset) -> str:
    return f" ({onset.source})" if onset.source else ""

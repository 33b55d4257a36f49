"""What was first in a model of the user's own, in one sentence of plain words."""

from __future__ import annotations

import math

from study.trial.model_design import ModelConfig
from study.trial.onset import Onset
from study.trial.phrases import exploded, later, tensor_words
from study.trial.result import TrialResult
from study.trial.tensor_name import TensorName

DATA = {"x": "an input of the model", "y": "a target", "sample_weight": "a sample weight"}
"""Parts of a batch, by the first name of their path."""

OWN = {"output": "the output", "state": "the state", "sum": "the sum before the activation", "loss": "the loss"}
"""What layers of any kind have."""

VALUES = {"nan": "NaN", "inf": "infinite", "-inf": "minus infinity"}

CELLS = ("candidate", "cell_state", "activated_cell_state", "hidden_state")


def verdict(result: TrialResult[ModelConfig]) -> str:
    """What went wrong first in a trial, and when the loss followed, in a sentence or two."""
    onset, event = result.onset, result.divergence
    but = f" but exploded: {exploded(result.loss, result.exploded_above)}" if result.outcome.exploded else ""
    if onset is None and result.diverged:
        became = event.became(result.loss[-1])
        return f"At update {result.updates} the loss {became}; no loss and no weight had stopped being finite."
    if onset is None:
        so = f"; the loss stayed finite{but}" if but else ""
        return f"No loss and no weight stopped being finite in {result.updates} updates{so}."
    if not result.diverged:
        return f"{sentence(onset)} The loss {event.stayed} to the end of the budget of {result.updates} updates{but}."
    if result.updates == onset.update:
        return sentence(onset)
    return f"{sentence(onset)} The loss {event.became(result.loss[-1])} {later(result.updates, than=onset.update)}."


def sentence(onset: Onset) -> str:
    """What was the first number that is not finite, where it was and what it was made of.

    Positions count from 0, updates from 1.
    """
    what = f"At update {onset.update} {_subject(onset)} {_happened(onset)}{_place(onset)}"
    line = f" ({onset.source})" if onset.source else ""
    words = f"{what}{_made_of(onset)}{line}."
    return f"{words} Note: {onset.warning}." if onset.warning else words


def _subject(onset: Onset) -> str:
    tensor = onset.tensor
    if onset.phase == "data":
        part, _, name = tensor.partition("/")
        return f"{DATA[part]} ({name})" if name else DATA[part]
    if (of := tensor.removeprefix("gradient of ")) != tensor:
        return f"the gradient of {_of_gradient(of, onset)}"
    if (weight := tensor.removeprefix("regularizer of ")) != tensor:
        return f"the regularizer of {weight}"
    if onset.phase == "optimizer":
        return f"{tensor}, changed by the optimizer,"
    if onset.phase == "loss":
        loss = f"the loss of output {onset.layer}" if onset.layer else "the loss"
        return loss if tensor == "loss" else f"{tensor} in {loss}"
    return tensor if "/" in tensor else _in_layer(tensor, onset.layer)


def _in_layer(tensor: str, layer: str | None) -> str:
    """`the cell state of layer lstm`; `softmax in layer attention`."""
    name = TensorName.parse(tensor)
    if tensor in OWN:
        return f"{OWN[tensor]} of layer {layer}"
    if name.gate is not None or tensor in CELLS:
        return f"{tensor_words(name)} of layer {layer}"
    where = f"layer {layer}" if layer else "the training step"
    return f"{tensor} in {where}"


def _of_gradient(path: str, onset: Onset) -> str:
    if path.startswith("regularizer of "):
        return f"the {path}"
    if path == onset.layer:
        return f"the output of layer {path}"
    where, _, last = path.rpartition("/")
    return _in_layer(last, where) if where and where == onset.layer else path


def _happened(onset: Onset) -> str:
    if onset.phase in ("forward", "optimizer") and "/" in onset.tensor and not onset.operands and not onset.source:
        return f"was {VALUES.get(onset.value, onset.value)} already before it"  # a variable, as it was given
    if onset.value == "nan":
        return "was NaN" if onset.phase == "data" else "became NaN"
    if onset.value not in ("inf", "-inf"):
        return f"came closest to an overflow ({onset.value})"
    infinite = VALUES[onset.value]
    if onset.phase == "data":
        return f"was {infinite}"
    # At 0 a quotient or a logarithm has no value; elsewhere a finite number gets infinite by growing.
    grew = all(math.isfinite(value) and value != 0 for value in onset.operands.values())
    return "overflowed" if grew and onset.operands else f"became {infinite}"


def _place(onset: Onset) -> str:
    at = "" if onset.timestep is None else f" at timestep {onset.timestep}"
    row = ("sample", onset.sample) if onset.row is None else ("row", onset.row)
    unit = ("feature" if onset.phase == "data" else "unit", onset.unit)
    inside = ", ".join(f"{name} {number}" for name, number in (row, unit) if number is not None)
    if not inside and onset.index:
        inside = f"index {', '.join(map(str, onset.index))}"
    return f"{at} ({inside})" if inside else at


def _made_of(onset: Onset) -> str:
    if not onset.operands:
        return ""
    return ", made of " + " and ".join(f"{name} = {value:.6g}" for name, value in onset.operands.items())

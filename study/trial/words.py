"""The vocabulary: phases, events, tensors and layers of an update, and what people call them.

Each is listed here once. Code, journals, MLflow and tables use the keys; sentences, pages and figures use the words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from study.trial.config import CellName

PHASES: dict[str, str] = {
    "data": "in the data",
    "forward": "in the forward pass",
    "loss": "in the loss",
    "backward": "in the backward pass",
    "optimizer": "in the optimizer's step",
}
"""Parts of an update, in their order."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A kind of number that can stop being finite, in words."""

    words: str
    """In a sentence, with its article."""
    label: str
    """At a figure's axis and in a table."""
    phase: str
    """In which it is computed."""


EVENTS: dict[str, Event] = {
    "gate": Event(words="the sum before the activation of a gate", label="sum before a gate", phase="forward"),
    "cell_state": Event(words="a cell state", label="cell state", phase="forward"),
    "hidden_state": Event(words="a hidden state", label="hidden state", phase="forward"),
    "output": Event(words="the model's output, the logit", label="model's output (logit)", phase="forward"),
    "loss": Event(words="the loss", label="loss", phase="loss"),
    "gradient": Event(words="the gradient of a weight, before clipping", label="gradient", phase="backward"),
    "optimizer_state": Event(
        words="one of the optimizer's running means", label="optimizer's running mean", phase="optimizer"
    ),
    "weight": Event(words="a weight", label="weight", phase="optimizer"),
}
"""What every update is watched for, in the order in which it computes them."""

GATES: dict[str, str] = {
    "input": "input gate",
    "forget": "forget gate",
    "candidate": "candidate",
    "output": "output gate",
    "update": "update gate",
    "reset": "reset gate",
    "hidden": "hidden state",
}
"""What a recurrent cell computes from its input and its last hidden state."""

OF_A_GATE: dict[str, tuple[str, str]] = {
    "sum": ("the sum before the activation of the {}", "sum before the {}"),
    "projection": ("the input's share of the sum of the {}", "input's share of the {}"),
    "recurrence": ("the state's share of the sum of the {}", "state's share of the {}"),
    "gate": ("the {}", "{}"),
}
"""Tensors of a gate: in a sentence, and as a label."""

TENSORS: dict[str, str] = {
    "inputs": "an input of the model",
    "labels": "a label",
    "logit": "the model's output before the sigmoid",
    "loss": "the loss",
    "cell_state": "the cell state",
    "activated_cell_state": "the activated cell state",
    "hidden_state": "the hidden state",
    "candidate": "the candidate",
    "kernel": "the kernel",
    "recurrent_kernel": "the recurrent kernel",
    "bias": "the bias",
    "gamma": "the scale",
    "beta": "the shift",
    # Known from the watch alone, where the replay of the update did not meet the number: the names of `EVENTS`.
    "gate": "the sum before the activation of a gate",
    "output": "the model's output before the sigmoid",
    "gradient": "the gradient of a weight",
    "optimizer_state": "one of the optimizer's running means",
    "weight": "a weight",
}
"""All other tensors; of weights the last name of their path."""

_LAYERS: dict[str, tuple[str, str]] = {
    "dense": ("the Dense layer", "the model's output before the sigmoid"),
    "front_end": ("the front end", "the front end's convolution"),
    "front_end_norm": ("the front end's normalisation", "the front end's normalisation"),
    "front_end_activation": ("the front end's activation", "the front end's activation"),
    "output_norm": (
        "the normalisation after the last recurrent layer",
        "the normalised output of the last recurrent layer",
    ),
    "dropout_0": ("the front end's Dropout", "the front end's output after its Dropout"),
}
"""Layers of the example that have no number: the layer, and what comes out of it."""

_NUMBERED = (
    (re.compile(r"dropout_(\d+)"), "the Dropout after layer {}", "the output of layer {} after its Dropout"),
    (re.compile(r"[a-z_]+_(\d+)_norm"), "the normalisation before layer {}", "the input of layer {}"),
    (re.compile(r"[a-z_]+_(\d+)"), "layer {}", "the output of layer {}"),
)
"""Those that have one."""

_RECURRENT = re.compile(rf"({'|'.join(get_args(CellName))})_\d+")


def layer_words(layer: str) -> str | None:
    """A layer of the example, `the normalisation before layer 2`; None for any other name."""
    return _layer(layer, place=0)


def output_words(layer: str) -> str | None:
    """What comes out of a layer of the example, `the input of layer 2`; None for any other name."""
    return _layer(layer, place=1)


def _layer(layer: str, *, place: int) -> str | None:
    if layer in _LAYERS:
        return _LAYERS[layer][place]
    for pattern, *words in _NUMBERED:
        if found := pattern.fullmatch(layer):
            return words[place].format(found[1])
    return None


_NUMBERS = {"nan": "not a number", "inf": "plus infinity", "-inf": "minus infinity"}


def number_words(number: str | None) -> str | None:
    """A number's text for a table: in words where it is not finite, since pandas reads `nan` as a missing value."""
    return None if number is None else _NUMBERS.get(number.lower(), number)


def has_features(layer: str | None) -> bool:
    """Whether the last axis of what comes out of a layer of the example counts features, and not units."""
    return layer is None or layer == "dropout_0" or layer.startswith("front_end") or layer.endswith("_1_norm")


def is_recurrent(layer: str | None) -> bool:
    """Whether a layer of the example is one of its recurrent ones."""
    return layer is not None and _RECURRENT.fullmatch(layer) is not None

"""Where and when the first number of a trial that is not finite appeared: the timeline, the onset and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.trial.config import TrialConfig
    from study.trial.result import TrialResult

EVENTS: dict[str, str] = {
    "gate": "the sum before the activation of an LSTM gate",
    "cell_state": "a cell state",
    "hidden_state": "a hidden state",
    "output": "the model's output, the logit",
    "loss": "the loss",
    "gradient": "the gradient of a weight, before clipping",
    "optimizer_state": "one of the optimizer's running means",
    "weight": "a weight",
}
"""What a timeline tells the first update of, in the order in which an update computes them. A weight counts for the
update that starts from it: the step of update 8 makes the weights of update 9."""

LOSS_THRESHOLD = 10.0
"""A loss above it, though finite, is out of bounds: one of 10 gives the right label a probability of 1 in 22,000."""

TIMELINE = (*EVENTS, "loss_exceeded")

Timeline = dict[str, int | None]
"""Event -> the first update at which such a number was not finite, None for never; and `loss_exceeded`, the first
update whose loss was finite and above `LOSS_THRESHOLD`."""


def timeline_column(event: str) -> str:
    """The name of an entry of the timeline among metrics and columns, where it stands alone."""
    return event if event == "loss_exceeded" else f"nonfinite_{event}"


def timeline(first: Sequence[int], losses: Sequence[float]) -> Timeline:
    """The timeline of a trial.

    Args:
        first: For each of `EVENTS` the update that computed the first such number; 0 for none.
        losses: Of update 1, 2, ...
    """
    told: Timeline = {event: number or None for event, number in zip(EVENTS, first, strict=True)}
    if told["weight"] is not None:
        told["weight"] += 1
    exceeded = (n for n, loss in enumerate(losses, start=1) if math.isfinite(loss) and loss > LOSS_THRESHOLD)
    return {**told, "loss_exceeded": next(exceeded, None)}


ONSET_NUMBERS = ("update", "timestep", "sample", "unit")
ONSET_TEXTS = ("phase", "layer", "direction", "tensor", "value", "warning")
"""Parts of an onset that MLflow keeps as metrics, and as tags."""


@dataclass(frozen=True, kw_only=True)
class Onset:
    """The first number of a trial that is not finite, in the order in which the arithmetic runs.

    That order: forward through the layers and, within an LSTM, through time; the loss; backward through both; the
    optimizer. Positions are 0-based, as in an array; updates and layers are numbered from 1.
    """

    update: int
    phase: str
    """`forward`, `loss`, `backward` or `optimizer`."""
    layer: str | None = None
    """`front_end`, `lstm_1`, `dense` and so on."""
    direction: str | None = None
    """`forward` or `backward`, of an LSTM."""
    tensor: str
    """What the number belongs to: `cell_state`, `candidate_sum`, `gradient of lstm_1/forward/kernel` and so on."""
    timestep: int | None = None
    sample: int | None = None
    unit: int | None = None
    """Unit of an LSTM, or feature."""
    index: tuple[int, ...] = ()
    """Place in the tensor."""
    value: str
    """`inf`, `-inf` or `nan`; a number close to the largest where rounding hides its overflow, as `warning` says."""
    operands: Mapping[str, float] = field(default_factory=dict)
    """The numbers it was made of, by name."""
    warning: str | None = None
    """What is wrong with the trial's data themselves, or with the finding."""

    def texts(self) -> dict[str, str]:
        """What is not a number, as far as it is known."""
        return {name: text for name in ONSET_TEXTS if (text := getattr(self, name)) is not None}

    def as_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values["operands"] = {
            name: value if math.isfinite(value) else str(value) for name, value in self.operands.items()
        }
        return {**values, "index": list(self.index)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Onset:
        operands = {name: float(value) for name, value in values["operands"].items()}
        return cls(**{**values, "index": tuple(values["index"]), "operands": operands})


# --- the verdict ----------------------------------------------------------------------------------------------------


def verdict(result: TrialResult) -> str:
    """What went wrong first in a trial, and what came of it, in a sentence.

    Positions are 0-based, as in `Onset`; updates and layers are numbered from 1.
    """
    onset = result.onset
    if onset is None:
        return _without_onset(result)
    event = f"At update {onset.update} {_subject(onset, result.config)} {_happened(onset)}{_place(onset)}"
    growth, consequences = _growth_before(onset, result), _consequences(onset, result)
    sentence = f"{event}: {growth}; {consequences}." if growth else f"{event}; {consequences}."
    return f"{sentence} Note: {onset.warning}." if onset.warning else sentence


def _happened(onset: Onset) -> str:
    if onset.value in ("inf", "-inf"):
        return "overflowed"
    if onset.value != "nan":
        return f"came within rounding of an overflow ({onset.value})"
    if onset.tensor in ("inputs", "labels"):
        return "was NaN"
    # A sum of products of finite numbers can be NaN in one way only.
    summed = onset.phase == "forward" and (onset.tensor == "logit" or onset.tensor.endswith(("_sum", "_projection")))
    if summed and onset.operands and all(map(math.isfinite, onset.operands.values())):
        return "overflowed both ways to inf - inf, which is NaN,"
    return "became NaN"


def _without_onset(result: TrialResult) -> str:
    config = result.config
    if result.timeline is None:
        watched = f"the {result.engine} engine does not record which number was the first"
        if result.diverged:
            return f"At update {result.updates} the loss became {_named(result.loss[-1])}; {watched}."
        return f"The loss stayed finite for all {result.updates} updates; {watched}."
    assert not result.diverged
    sentence = f"No number stopped being finite in {result.updates} updates"
    last = result.growth.last() if result.growth else {}
    figures = [
        f"the largest |{symbol}| was {size:.3g}{'' if rate is None else f' and changed {_percent(rate)} per timestep'}"
        for symbol, size, rate in (
            ("h", last.get("max_hidden"), last.get("hidden_growth")),
            ("c", last.get("max_cell"), last.get("cell_growth")),
        )
        if size is not None
    ]
    at_the_end = f": at the end {', '.join(figures)}, through {config.activation}" if figures else ""
    return f"{sentence}{at_the_end}."


def _growth_before(onset: Onset, result: TrialResult) -> str | None:
    """How fast the states had been growing along the sequence, where that is what led to the onset."""
    if onset.phase != "forward" or onset.timestep is None or not _is_lstm(onset.layer) or result.growth is None:
        return None
    of_cell = onset.tensor in ("cell_state", "activated_cell_state")
    rates = result.growth.figures["cell_growth" if of_cell else "hidden_growth"]
    known = [
        rate
        for update, rate in zip(result.growth.updates, rates, strict=True)
        if update <= onset.update and rate is not None
    ]
    if not known or known[-1] < math.log(1.005):
        return None
    cells = result.config.layers * (2 if result.config.bidirectional else 1)
    fastest = "the fastest-growing " if cells > 1 else "the "
    subject = (
        "it" if onset.tensor == "cell_state" and cells == 1 else f"{fastest}{'cell' if of_cell else 'hidden'} state"
    )
    return f"{subject} had been growing {_percent(known[-1])} per timestep, through {result.config.activation}"


def _consequences(onset: Onset, result: TrialResult) -> str:
    def after(update: int) -> str:
        later = update - onset.update
        return {0: "in the same update", 1: "in the next"}.get(later, f"{later} updates later")

    if not result.diverged:
        loss = f"the loss stayed finite to the end of the budget of {result.updates} updates"
    elif onset.phase == "loss":
        loss = "the model's output was still finite"
    else:
        loss = f"the loss became {_named(result.loss[-1])} {after(result.updates)}"
    weight = (result.timeline or {}).get("weight")
    if weight is None:
        return f"{loss}, and the weights stayed finite"
    if onset.phase == "optimizer" and onset.tensor in _weight_of(onset):
        return loss
    if result.diverged and onset.phase != "loss":
        return f"{loss}, the weights {after(weight)}"
    return f"{loss}, and the weights were no longer finite {after(weight)}"


def _weight_of(onset: Onset) -> tuple[str, ...]:
    return () if onset.tensor.startswith("running mean") else (onset.tensor,)


def _place(onset: Onset) -> str:
    at = "" if onset.timestep is None else f" at timestep {onset.timestep}"
    names = (("feature" if onset.tensor in ("inputs", "lstm_1_norm") else "unit", onset.unit), ("sample", onset.sample))
    inside = ", ".join(f"{name} {number}" for name, number in names if number is not None)
    if not inside and len(onset.index) == 2:
        inside = f"row {onset.index[0]}, column {onset.index[1]}"
    elif not inside and len(onset.index) == 3:
        inside = f"tap {onset.index[0]}, row {onset.index[1]}, column {onset.index[2]}"
    elif not inside and len(onset.index) == 1:
        inside = f"number {onset.index[0]}"
    return f"{at} ({inside})" if inside else at


_GATE_WORDS = {"input": "input gate", "forget": "forget gate", "candidate": "candidate", "output": "output gate"}

_PLAIN = {
    "inputs": "an input of the model",
    "labels": "a label",
    "logit": "the model's output before the sigmoid",
    "loss": "the loss",
    "output_norm": "the normalised output of the last LSTM layer",
    "front_end": "the front end's convolution",
    "front_end_norm": "the front end's normalisation",
    "front_end_activation": "the front end's activation",
    "dropout_0": "the front end's output after its Dropout",
    "cell_state": "the cell state",
    "activated_cell_state": "the activated cell state",
    "hidden_state": "the hidden state",
    "candidate": "the candidate",
    "kernel": "the kernel",
    "recurrent_kernel": "the recurrent kernel",
    "bias": "the bias",
    "gamma": "the scale",
    "beta": "the shift",
    # Of the compiled program alone, where its replay did not meet the number: the names of `EVENTS`.
    "gate": "the sum before the activation of an LSTM gate",
    "output": "the model's output before the sigmoid",
    "gradient": "the gradient of a weight",
    "optimizer_state": "one of the optimizer's running means",
    "weight": "a weight",
}


def _subject(onset: Onset, config: TrialConfig) -> str:
    """What the number belongs to, in words."""
    tensor = onset.tensor
    if onset.phase == "backward" and tensor.startswith("gradient of the output of "):
        name = tensor.removeprefix("gradient of the output of ")
        return f"the gradient of {_tensor('logit' if name == 'dense' else name, onset, config)}"
    if onset.phase == "backward" and tensor.startswith("gradient of "):
        return f"the gradient of {_tensor(tensor.removeprefix('gradient of '), onset, config)}"
    if tensor.startswith("running mean "):
        number, _, weight = tensor.removeprefix("running mean ").partition(" of ")
        squares = number == "2" or config.optimizer == "rmsprop"
        return (
            f"the optimizer's running mean of the {'squared ' if squares else ''}gradient of "
            f"{_tensor(weight, onset, config)}"
        )
    if onset.phase == "optimizer":
        return f"{_tensor(tensor, onset, config)}, changed by the step,"
    return _tensor(tensor, onset, config)


def _tensor(tensor: str, onset: Onset, config: TrialConfig) -> str:
    name = tensor.rpartition("/")[2]
    if name.endswith("_sum"):
        words = f"the sum before the activation of the {_GATE_WORDS[name.removesuffix('_sum')]}"
    elif name.endswith("_projection"):
        words = f"the input's share of the sum of the {_GATE_WORDS[name.removesuffix('_projection')]}"
    elif name.endswith("_gate"):
        words = f"the {_GATE_WORDS[name.removesuffix('_gate')]}"
    elif name.startswith("lstm_"):
        return f"the input of layer {name.split('_')[1]}"
    elif name.startswith("dropout_") and name != "dropout_0":
        return f"the output of layer {name.split('_')[1]} after its Dropout"
    else:
        words = _PLAIN[name]
    if "/" not in tensor and not _is_lstm(onset.layer):
        return words
    return f"{words} of {_owner(tensor, onset, config)}"


def _owner(tensor: str, onset: Onset, config: TrialConfig) -> str:
    layer = tensor.split("/")[0] if "/" in tensor else str(onset.layer)
    norm = "the normalisation before " if layer.endswith("_norm") else ""
    if layer.startswith("lstm_"):
        direction = f", {onset.direction} direction" if config.bidirectional and onset.direction else ""
        return f"{norm}layer {layer.split('_')[1]}{direction}"
    return {
        "dense": "the Dense layer",
        "front_end": "the front end",
        "front_end_norm": "the front end's normalisation",
        "output_norm": "the normalisation after the last LSTM layer",
    }[layer]


def _is_lstm(layer: str | None) -> bool:
    return layer is not None and layer.startswith("lstm_") and not layer.endswith("_norm")


def _named(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinite"


def _percent(rate: float) -> str:
    """A growth rate, of the natural logarithm, in per cent."""
    share = 100 * math.expm1(rate)
    return f"{share:.0f}%" if abs(share) >= 9.5 else f"{share:.1f}%"

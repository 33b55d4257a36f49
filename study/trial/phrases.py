"""Parts of sentences about an onset, for any model: what happened, where, and how fast it had been growing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.trial.onset import Onset
from study.trial.outcome import first_above
from study.trial.tensor_name import TensorName
from study.trial.words import GATES, OF_A_GATE, TENSORS, output_words

A_FACTOR = math.log(10)
"""Growth rate from which on a factor says more than per cent."""


def tensor_words(tensor: TensorName, *, optimizer: str | None = None) -> str:
    """A tensor in a sentence, with its article and without its layer: `the gradient of the recurrent kernel`.

    Args:
        tensor: Of the example, or a tensor of a user's model by another name, which is then used as it is.
        optimizer: What made a running mean.
    """
    if tensor.gate is not None:
        own = OF_A_GATE[tensor.role][0].format(GATES.get(tensor.gate, tensor.gate))
    elif tensor.layer is not None:
        own = output_words(tensor.layer) or f"the output of {tensor.layer}"
    else:
        own = TENSORS.get(tensor.role, f"the {tensor.role.replace('_', ' ')}")
    match tensor.derivative:
        case None:
            return own
        case "gradient":
            return f"the gradient of {own}"
        case mean:
            squares = mean == "running mean 2" or optimizer == "rmsprop"
            return f"the optimizer's running mean of the {'squared ' if squares else ''}gradient of {own}"


def tensor_label(tensor: TensorName) -> str:
    """A tensor at a figure's axis: `sum before the input gate`, `gradient of the kernel of lstm_1/forward`."""
    if tensor.gate is not None:
        own = OF_A_GATE[tensor.role][1].format(GATES.get(tensor.gate, tensor.gate))
    elif tensor.weight is not None:
        own = f"{tensor_words(TensorName.of_weight(tensor.weight))} of {tensor.weight.rpartition('/')[0]}"
    else:
        own = tensor_words(TensorName(role=tensor.role, layer=tensor.layer))
    if tensor.derivative is None:
        return own.removeprefix("the ")
    return f"{tensor.derivative} of {own}"


def happened(onset: Onset) -> str:
    """What became of the number: `overflowed`, `became NaN`."""
    if onset.value in ("inf", "-inf"):
        return "overflowed"
    if onset.value != "nan":
        return f"came within rounding of an overflow ({onset.value})"
    if onset.phase == "data" or onset.what.role in ("inputs", "labels"):
        return "was NaN"
    # A sum of products of finite numbers can be NaN in one way only.
    summed = onset.what.derivative is None and onset.what.role in ("sum", "projection", "logit")
    if summed and onset.operands and all(map(math.isfinite, onset.operands.values())):
        return "overflowed both ways to inf - inf, which is NaN,"
    return "became NaN"


def place(onset: Onset, *, unit: str = "unit") -> str:
    """Where in its tensor the number is: ` at timestep 611 (unit 40, sample 3)`; empty where that is not known.

    Args:
        onset: The onset.
        unit: What a place on the last axis is called.
    """
    at = "" if onset.timestep is None else f" at timestep {onset.timestep}"
    inside = ", ".join(
        f"{name} {number}" for name, number in ((unit, onset.unit), ("sample", onset.sample)) if number is not None
    )
    if not inside and len(onset.index) == 2:
        inside = f"row {onset.index[0]}, column {onset.index[1]}"
    elif not inside and len(onset.index) == 3:
        inside = f"tap {onset.index[0]}, row {onset.index[1]}, column {onset.index[2]}"
    elif not inside and len(onset.index) == 1:
        inside = f"number {onset.index[0]}"
    return f"{at} ({inside})" if inside else at


def grew(rate: float) -> str:
    """A growth rate, of the natural logarithm, in words: `14%`, `by a factor of 26`."""
    if rate >= A_FACTOR:
        # Beyond the largest double where a state jumps over most of float32's range within a timestep.
        decades = rate / A_FACTOR
        return f"by a factor of {10**decades:.3g}" if decades < 300 else f"by a factor of 1e{decades:.0f}"
    share = 100 * math.expm1(rate)
    return f"{share:.0f}%" if abs(share) >= 9.5 else f"{share:.1f}%"


def later(update: int, *, than: int) -> str:
    """When an update was, seen from an earlier one."""
    return {0: "in the same update", 1: "in the next"}.get(update - than, f"{update - than} updates later")


def exploded(losses: Sequence[float], threshold: float) -> str:
    """How far the losses of a trial went that has exploded: `it was above 10 at update 2 and 1.4e+09 at most`."""
    largest = max(loss for loss in losses if math.isfinite(loss))
    return f"it was above {threshold:g} at update {first_above(losses, threshold)} and {largest:.3g} at most"

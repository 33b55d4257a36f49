"""`TensorName`: names a tensor of an update in parts, so that nobody has to take its name apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from study.trial.words import GATES, OF_A_GATE, output_words

Derivative = Literal["gradient", "running mean 1", "running mean 2"]
"""What an update makes of a tensor: its gradient; of a weight's gradient the optimizer's decayed means, by number."""

OUTPUT = "output"


@dataclass(frozen=True, kw_only=True)
class TensorName:
    """A tensor of an update.

    Its text (`str`) is what JSON, MLflow and tables show; `parse` reads the text of any of the example's tensors back.

    Example:
        >>> str(TensorName.of_gate("input", "sum").derived("gradient"))
        'gradient of input_sum'
    """

    role: str
    """What it is: `inputs`, `logit`, `cell_state` and so on; `sum`, `projection` or `gate` of a gate; `output` of a
    layer; of a weight the last name of its path; or what a user's model calls it, such as `softmax`."""
    gate: str | None = None
    """The gate of a recurrent cell that it belongs to."""
    layer: str | None = None
    """The layer whose output it is, where it has no name of its own."""
    weight: str | None = None
    """The path of the weight that it is, or is derived from: `lstm_1/forward/kernel`."""
    derivative: Derivative | None = None
    """None for the tensor itself."""

    @classmethod
    def of_gate(cls, gate: str, role: str) -> TensorName:
        """What a gate computes: its `sum`, the input's share of that (`projection`), or the activated `gate`."""
        return cls(role=role, gate=gate)

    @classmethod
    def output_of(cls, layer: str) -> TensorName:
        """What comes out of a layer."""
        return cls(role=OUTPUT, layer=layer)

    @classmethod
    def of_weight(cls, path: str) -> TensorName:
        """A weight."""
        return cls(role=path.rpartition("/")[2], weight=path)

    def derived(self, derivative: Derivative) -> TensorName:
        """Its gradient, or a running mean of the optimizer."""
        return replace(self, derivative=derivative)

    def __str__(self) -> str:
        own = self.weight or self.layer or (f"{self.gate}_{self.role}" if self.gate else self.role)
        if self.derivative is None:
            return own
        return f"{self.derivative} of {'the output of ' if self.layer else ''}{own}"

    @classmethod
    def parse(cls, text: str) -> TensorName:
        """The tensor of a text, as it stands in a journal or a table."""
        for derivative in get_args(Derivative):
            rest = text.removeprefix(f"{derivative} of ")
            if rest != text:
                layer = rest.removeprefix("the output of ")
                return (cls.parse(rest) if layer == rest else cls.output_of(layer)).derived(derivative)
        if "/" in text:
            return cls.of_weight(text)
        gate, _, role = text.rpartition("_")
        if gate in GATES and role in OF_A_GATE:
            return cls.of_gate(gate, role)
        return cls.output_of(text) if output_words(text) else cls(role=text)

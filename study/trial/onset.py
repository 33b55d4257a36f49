"""`Onset`: the very first number of a trial that is not finite, and where it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from study.trial.tensor_name import TensorName

ONSET_NUMBERS = ("update", "timestep", "sample", "row", "unit")
ONSET_TEXTS = ("phase", "layer", "direction", "tensor", "value", "source", "warning")
"""Parts of an onset that MLflow keeps as metrics, and as tags."""


@dataclass(frozen=True, kw_only=True)
class Onset:
    """The first number of a trial that is not finite, in the order in which the arithmetic runs.

    That order: forward through the layers and, within a recurrent one, through time; the loss; backward through both;
    the optimizer. Positions are 0-based, as in an array; updates and the example's layers are numbered from 1.
    """

    update: int
    phase: str
    """One of `study.trial.words.PHASES`."""
    layer: str | None = None
    """`front_end`, `lstm_1`, `dense` and so on; of a user's model Keras's path of names."""
    direction: str | None = None
    """`forward` or `backward`, of a recurrent layer of the example."""
    what: TensorName
    """What the number belongs to."""
    timestep: int | None = None
    sample: int | None = None
    """In the batch."""
    row: int | None = None
    """In the user's arrays; None where the data are not arrays of the user's."""
    unit: int | None = None
    """Unit of a layer, or feature."""
    index: tuple[int, ...] = ()
    """Place in the tensor."""
    value: str
    """`inf`, `-inf` or `nan`; a number close to the largest where rounding hides its overflow, as `warning` says."""
    operands: Mapping[str, float] = field(default_factory=dict)
    """The numbers it was made of, by name."""
    source: str | None = None
    """The line of the user's code that computed it, `file.py:12`; None where it is not the user's."""
    warning: str | None = None
    """What is wrong with the trial's data themselves, or with the finding."""

    @property
    def tensor(self) -> str:
        """`what` as text: `cell_state`, `candidate_sum`, `gradient of lstm_1/forward/kernel` and so on."""
        return str(self.what)

    def texts(self) -> dict[str, str]:
        """What is not a number, as far as it is known."""
        return {name: text for name in ONSET_TEXTS if (text := getattr(self, name)) is not None}

    def as_dict(self) -> dict[str, Any]:
        """As values of strict JSON: the tensor as text, and the texts `nan`, `inf`, `-inf` for such operands."""
        operands = {name: value if math.isfinite(value) else str(value) for name, value in self.operands.items()}
        told = {"tensor": self.tensor, "index": list(self.index), "operands": operands}
        values = {"tensor" if name == "what" else name: value for name, value in asdict(self).items()}
        return {**values, **told}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Onset:
        """Read back what `as_dict` gave, also that of an earlier version, which had fewer parts."""
        others = {name: value for name, value in values.items() if name != "tensor"}
        operands = {name: float(value) for name, value in values["operands"].items()}
        index = tuple(values["index"])
        return cls(**{**others, "what": TensorName.parse(values["tensor"]), "index": index, "operands": operands})

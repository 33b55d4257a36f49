"""What an update of a user's model started from: every variable that it reads or changes, and its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Tensor: TypeAlias = Any
Variable: TypeAlias = Any
Batch: TypeAlias = Any
"""What Keras's `train_step` takes: x, or (x, y), or (x, y, sample_weight), each a tensor or a structure of them."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The state of a training right before an update.

    Attributes:
        update: 1-based number of the update that started from it.
        variables: TensorFlow's variables: weights, the optimizer's, states of layers and random generators, metrics.
        values: One tensor a variable. They share the memory of the variables as long as nothing is written to them.
        batch: The batch of the update.
    """

    update: int
    variables: Sequence[Variable]
    values: Sequence[Tensor]
    batch: Batch

    def restore(self) -> None:
        """Give the variables the values that they had."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)

    def value_of(self, variable: Variable) -> Tensor | None:
        """The value that a variable had, TensorFlow's or Keras's own; None of one that the update does not touch."""
        wanted = getattr(variable, "value", variable)
        wanted = variable if callable(wanted) else wanted
        for own, value in zip(self.variables, self.values, strict=True):
            if own is wanted:
                return value
        return None

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return sum(int(value.shape.num_elements() or 0) * int(value.dtype.size) for value in self.values)


def now(variables: Sequence[Variable], *, update: int, batch: Batch = None) -> Moment:
    """The moment as it is: for putting a model back after its update was walked again."""
    return Moment(
        update=update, variables=variables, values=[variable.read_value() for variable in variables], batch=batch
    )

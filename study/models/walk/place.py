"""Where in an update an operation was executed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

DATA, FORWARD, LOSS, BACKWARD, OPTIMIZER = "data", "forward", "loss", "backward", "optimizer"
PHASES = (DATA, FORWARD, LOSS, BACKWARD, OPTIMIZER)

TensorId: TypeAlias = int | tuple[str, int, int]
"""TensorFlow's number of an eager tensor, never given twice; of a variable (`variable`, its handle's, version)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One call of a layer, or of an operation of a functional model.

    Attributes:
        layer: Keras's object.
        path: Names of the layers around it and its own, without the model's: `("encoder", "lstm")`.
        around: The call in which this one was made; None for the model's own layers.
        users: Whether its class, or the function it calls, was written by the user.
        part: Whether it is a part of the layer around it: the cell that an `LSTM` makes for itself.
        timestep: At which a recurrent layer around it made the call; None outside of such.
    """

    layer: Any
    path: tuple[str, ...]
    around: Call | None = None
    users: bool = False
    part: bool = False
    timestep: int | None = None

    @property
    def whole(self) -> Call:
        """The call that is told of: the layer's, where this one is a part of it."""
        return self.around.whole if self.part and self.around is not None else self

    @property
    def name(self) -> str:
        """Keras's path of names; the model's name for what it computes itself."""
        return "/".join(self.whole.path) or str(self.layer.name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """What was being done: one of `PHASES`, in which call, at which timestep.

    Attributes:
        phase: Of the update.
        call: The innermost one; None outside of the model, as in the loss.
        timestep: Position in the sequence that a recurrent layer reads, counted from 0 in the order of the data.
        output: In the loss of a model with several outputs, the name of the output.
        computing: Whether Keras computes the loss, the gradients or the step, rather than the training step itself.
    """

    phase: str
    call: Call | None = None
    timestep: int | None = None
    output: str | None = None
    computing: bool = False

    @property
    def loose(self) -> bool:
        """Whether it is in the training step itself, and in no function of Keras's."""
        return self.call is None and not self.computing


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a tensor is in the words of an onset.

    Attributes:
        tensor: `output`, `candidate_sum`, `cell_state`, a weight's path, ...
        call: Of the layer that it belongs to.
        timestep: As in `Place`.
    """

    tensor: str
    call: Call | None = None
    timestep: int | None = None


@dataclass(frozen=True, kw_only=True)
class UsersLine:
    """The line of the user's code that an operation was executed for.

    Attributes:
        operation: The function or operator called there: `softmax`, `truediv`. None where the line calls a layer.
        source: `file.py:line`.
    """

    operation: str | None
    source: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Executed:
    """One operation of TensorFlow that the update executed.

    Attributes:
        number: In the order of execution.
        kind: TensorFlow's name of it: `MatMul`.
        attributes: TensorFlow's, a flat tuple of names and values.
        inputs: Numbers of its input tensors.
        outputs: Numbers of its output tensors.
        place: Where it was executed.
        users: The user's line, where it was looked for.
        derivative_of: The operation of the way forward whose derivative it is a part of.
    """

    number: int
    kind: str
    attributes: tuple[Any, ...] = field(repr=False)
    inputs: tuple[TensorId, ...]
    outputs: tuple[TensorId, ...]
    place: Place
    users: UsersLine | None = None
    derivative_of: Executed | None = field(default=None, repr=False)

    def attribute(self, name: str, default: Any = None) -> Any:
        """The value of one of its attributes."""
        pairs = zip(self.attributes[::2], self.attributes[1::2], strict=True)
        return next((value for key, value in pairs if key == name), default)

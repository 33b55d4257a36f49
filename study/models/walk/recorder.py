"""Every operation that an update executes eagerly, and the tensors of those that touch a number that is not finite."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks
from tensorflow.python.ops import gen_resource_variable_ops

from study.models.walk.influence import Shown
from study.models.walk.place import BACKWARD, FORWARD, LOSS, Executed, Named, Place, TensorId
from study.models.walk.users_code import gradient_function, users_line

Tensor: TypeAlias = Any
Variable: TypeAlias = Any

NOTHING = np.zeros(0, np.bool_)
"""In the place of what has no numbers, such as a reference to a variable."""

SEARCHED = 50
"""Operations that are looked at to find one that TensorFlow has kept nothing of."""


class Recorder:
    """Keeps what is executed while it listens.

    Args:
        variables: TensorFlow's, of the update.
        outermost: Code of the function in which the update is run; the user's lines are looked for inside of it.
        between: Code of the function through which layers are called.
        nearest: Also look for the number that comes nearest to the largest of its type, see `closest`.

    Attributes:
        place: Where the update is.
        executed: All operations so far.
        names: What tensors are, by their numbers.
        targets: The operations that made what gradients are taken of.
        shapes: Of tensors of floats, by their numbers.
        constants: Single numbers that no operation has made, by the numbers of their tensors.
        closest: The operation whose output has the number with the largest share of its type's largest, and the share;
            only of operations that make a larger number than they are given.
    """

    def __init__(
        self, variables: Iterable[Variable], *, outermost: CodeType, between: CodeType, nearest: bool = False
    ) -> None:
        self.place = Place(phase=FORWARD)
        self.executed: list[Executed] = []
        self.names: dict[TensorId, Named] = {}
        self.closest: tuple[float, Executed | None] = (0.0, None)
        self._nearest = nearest
        self._outermost, self._between = outermost, between
        self._of_handle = {variable.handle._id: variable for variable in variables if _counts(variable.dtype)}
        self._version = dict.fromkeys(self._of_handle, 0)
        self._value: dict[int, Tensor] = {}
        self.targets: list[Executed] = []
        self._differentiating: tuple[FrameType | None, Executed | None] = (None, None)
        self._differentiated: set[int] = set()
        self._reading = False
        self.shapes: dict[TensorId, tuple[int, ...]] = {}
        self.constants: dict[TensorId, float] = {}
        self._kept: dict[TensorId, np.ndarray] = {}
        self._bad: dict[TensorId, np.ndarray] = {}
        self._seen: set[TensorId] = set()
        self._maker: dict[TensorId, Executed] = {}
        self._users: dict[TensorId, list[Executed]] = {}

    def start(self) -> None:
        """Take note of what the variables are now."""
        self._value = {handle: variable.read_value() for handle, variable in self._of_handle.items()}

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record what this thread executes."""
        op_callbacks.add_op_callback(self._record)
        try:
            yield
        finally:
            op_callbacks.remove_op_callback(self._record)

    # --- what it knows ----------------------------------------------------------------------------------------------

    def name(self, tensor: Tensor, named: Named) -> None:
        """Say what a tensor is. What is said first counts: a layer may give back what it was given."""
        self.names.setdefault(tensor._id, named)

    def take_targets(self, tensors: Sequence[Tensor]) -> None:
        """Take note of what gradients are taken of."""
        self.targets = [made for one in tensors if (made := self.maker(one._id)) is not None]

    def bad(self, tensor: TensorId) -> np.ndarray | None:
        """Where a tensor is not finite, a mask; None where it is finite."""
        return self._bad.get(tensor)

    def values(self, tensor: TensorId) -> np.ndarray:
        """Numbers of a tensor that is not finite, or of one that an operation with such a tensor has used."""
        return self._kept[tensor]

    def shown(self, operation: Executed) -> Shown | None:
        """An operation with its tensors; None where neither inputs nor outputs were without a fault."""
        try:
            inputs = [self._kept[tensor] for tensor in operation.inputs]
            return Shown(operation=operation, inputs=inputs, outputs=[self._kept[one] for one in operation.outputs])
        except KeyError:
            return None

    def maker(self, tensor: TensorId) -> Executed | None:
        """The operation that made a tensor; None of what the update was given."""
        return self._maker.get(tensor)

    def users_of(self, tensor: TensorId) -> Sequence[Executed]:
        """The operations that used a tensor."""
        return self._users.get(tensor, ())

    def current(self, variable: Variable) -> TensorId:
        """The number of a variable's value as it is now."""
        handle = variable.handle._id
        return ("variable", handle, self._version[handle])

    def variable(self, tensor: TensorId) -> Variable | None:
        """The variable whose value a tensor is."""
        if isinstance(tensor, tuple):
            return self._of_handle[tensor[1]]
        maker = self._maker.get(tensor)
        if maker is not None and maker.kind in ("ReadVariableOp", "Identity", "Cast"):
            return self.variable(maker.inputs[0])
        return None

    def look_at(self, tensor: Tensor) -> bool:
        """Take note of a tensor that comes from outside; whether it is not finite."""
        return self._note(tensor._id, tensor)

    # --- listening --------------------------------------------------------------------------------------------------

    def _record(
        self,
        kind: str | bytes,
        inputs: Sequence[Tensor],
        attributes: Sequence[Any],
        outputs: Sequence[Tensor],
        op_name: str | None = None,
        graph: Any = None,
    ) -> None:
        if graph is not None or self._reading:
            return
        name = kind.decode() if isinstance(kind, bytes) else kind
        takes, gives, tensors = self._tensors(name, inputs, outputs)
        # All of them: what comes from outside is noted here for the first time.
        found = [self._note(number, tensor) for number, tensor in tensors.items()]
        place = self.place
        forward = self._forward_operation() if place.phase == BACKWARD else None
        users = None
        if any(found) or place.phase == LOSS or (place.call is not None and place.call.users):
            users = users_line(name, outermost=self._outermost, between=self._between)
        operation = Executed(
            number=len(self.executed),
            kind=name,
            attributes=tuple(attributes),
            inputs=takes,
            outputs=gives,
            place=place,
            users=users,
            derivative_of=forward,
        )
        self.executed.append(operation)
        for tensor in gives:
            self._maker[tensor] = operation
        for tensor in takes:
            self._users.setdefault(tensor, []).append(operation)
        if any(found) or any(tensor in self._bad for tensor in takes):
            self._keep(tensors)
        elif self._nearest:
            self._compare(operation, inputs, outputs)

    def _tensors(
        self, kind: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
    ) -> tuple[tuple[TensorId, ...], tuple[TensorId, ...], dict[TensorId, Tensor]]:
        """Numbers of inputs and outputs, with a variable's value in the place of the reference to it."""
        takes: list[TensorId] = [tensor._id for tensor in inputs]
        gives: list[TensorId] = [tensor._id for tensor in outputs]
        tensors: dict[TensorId, Tensor] = dict(zip([*takes, *gives], [*inputs, *outputs], strict=True))
        handle = takes[0] if takes else None
        if handle in self._of_handle:
            assert isinstance(handle, int)
            variable = self._of_handle[handle]
            del tensors[handle]
            if kind == "AssignVariableOp":
                takes = takes[1:]
            else:
                takes[0] = ("variable", handle, self._version[handle])
                tensors[takes[0]] = self._value[handle]
            if not outputs:
                self._version[handle] += 1
                self._value[handle] = self._read(variable)
                gives = [("variable", handle, self._version[handle])]
                tensors[gives[0]] = self._value[handle]
        return tuple(takes), tuple(gives), tensors

    def _read(self, variable: Variable) -> Tensor:
        # TensorFlow calls back for what a callback executes too.
        self._reading = True
        try:
            return gen_resource_variable_ops.read_variable_op(variable.handle, variable.dtype)
        finally:
            self._reading = False

    def _note(self, number: TensorId, tensor: Tensor) -> bool:
        if number in self._seen:
            return False
        self._seen.add(number)
        if not _counts(tensor.dtype):
            return False
        values = tensor._numpy()
        self.shapes[number] = values.shape
        if not values.shape and number not in self._maker:
            self.constants[number] = float(np.real(values))
        finite = np.isfinite(values)
        if finite.all():
            return False
        self._bad[number] = ~finite
        self._kept[number] = values
        return True

    def _keep(self, tensors: Mapping[TensorId, Tensor]) -> None:
        for number, tensor in tensors.items():
            if number not in self._kept:
                opaque = tensor.dtype in (tf.resource, tf.variant)
                self._kept[number] = NOTHING if opaque else tensor._numpy()

    def _forward_operation(self) -> Executed | None:
        """The operation whose derivative is being computed."""
        frame = gradient_function(self._outermost)
        if frame is None or frame is self._differentiating[0]:
            return self._differentiating[1] if frame is not None else None
        local = frame.f_locals
        found = self._by_tensors(local["op_name"], local["inputs"] or (), local["outputs"] or ())
        if found is None:
            found = self._by_gradients(local["op_name"], [one._id for one in local["out_grads"] if hasattr(one, "_id")])
        self._differentiating = frame, found
        if found is not None:
            self._differentiated.add(found.number)
        return found

    def _by_tensors(self, kind: str, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Executed | None:
        """An operation of the way forward by what TensorFlow has kept of it."""
        for output in outputs:
            if output is not None and (maker := self._maker.get(output._id)) is not None:
                return maker
        known = {tensor._id for tensor in inputs if hasattr(tensor, "_id")}
        for number in known:
            for user in self._users.get(number, ()):
                if user.kind == kind and user.place.phase != BACKWARD and known <= set(user.inputs):
                    return user
        return None

    def _by_gradients(self, kind: str, gradients: Sequence[TensorId]) -> Executed | None:
        """An operation of which nothing was kept: the nearest of its kind before what its gradient came from."""
        makers = [maker for one in gradients if (maker := self._maker.get(one)) is not None]
        summed = [self._maker[one] for maker in makers if maker.kind == "AddN" for one in maker.inputs]
        before = [maker.derivative_of for maker in [*makers, *summed] if maker.derivative_of is not None]
        queue = deque(before or self.targets)
        for _ in range(SEARCHED):
            if not queue:
                break
            operation = queue.popleft()
            if operation.kind == kind and operation.number not in self._differentiated:
                return operation
            queue.extend(maker for one in operation.inputs if (maker := self._maker.get(one)) is not None)
        return None

    def _compare(self, operation: Executed, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        for tensor in outputs:
            if not _counts(tensor.dtype):
                continue
            share = _share(tensor)
            if share > self.closest[0] and share > max(
                (_share(one) for one in inputs if _counts(one.dtype)), default=0
            ):
                self._keep({one._id: one for one in [*inputs, *outputs]})
                self.closest = share, operation


def _counts(dtype: tf.DType) -> bool:
    """Whether numbers of a type can be other than finite."""
    return bool(dtype.is_floating or dtype.is_complex)


def _share(tensor: Tensor) -> float:
    """The largest number of a tensor as a share of the largest of its type."""
    values = np.abs(tensor._numpy())
    return float(values.max()) / float(tensor.dtype.max) if values.size and tensor.dtype.is_floating else 0.0

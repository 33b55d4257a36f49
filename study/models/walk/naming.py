"""Tensors in words: a gate, a layer's output, a weight's path, an operation of the user's."""

from __future__ import annotations

from collections.abc import Sequence

from study.models.walk.kinds import MOVING
from study.models.walk.place import BACKWARD, FORWARD, LOSS, Call, Executed, Named, TensorId
from study.models.walk.recorder import Recorder
from study.models.walk.users_code import operation_name

PASSING_ON = MOVING | {"Cast", "Identity", "Select", "SelectV2"}
SIGNS = {
    **{"Mul": "*", "AddV2": "+", "Sub": "-", "RealDiv": "/"},
    **dict.fromkeys(("MatMul", "BatchMatMulV2", "BatchMatMulV3"), "@"),
    **{"Sqrt": "sqrt", "Square": "square", "Exp": "exp", "Log": "log"},
}
"""Operations that are written out where they make an operand that has no name."""


class Naming:
    """What tensors and operations of an update are called.

    Args:
        recorder: Of the update.
        paths: TensorFlow's number of a variable's handle -> Keras's path.
        data: Tensors of the batch -> what they are called.
    """

    def __init__(self, recorder: Recorder, *, paths: dict[int, str], data: dict[TensorId, str]) -> None:
        self.recorder = recorder
        self.paths = paths
        self.data = data

    def path_of(self, tensor: TensorId) -> str | None:
        """Keras's path of the variable whose value a tensor is."""
        variable = self.recorder.variable(tensor)
        return None if variable is None else self.paths.get(variable.handle._id, variable.name)

    def layer_of_variable(self, tensor: TensorId) -> str | None:
        """The layer that reads a variable on the way forward."""
        return next((user.place.call.name for user in self._readers(tensor) if user.place.call is not None), None)

    def layer_of_optimizers(self, tensor: TensorId) -> str | None:
        """The layer of the weight that a variable of the optimizer's is for, which Keras names it after."""
        name = (self.path_of(tensor) or "").rpartition("/")[2]
        of_weights = {path.replace("/", "_"): handle for handle, path in self.paths.items()}
        named_after = max((one for one in of_weights if name.startswith(f"{one}_")), key=len, default=None)
        return None if named_after is None else self.layer_of_variable(("variable", of_weights[named_after], 0))

    def regularized(self, operation: Executed) -> TensorId | None:
        """The weight that an operation of the loss is computed from, where it is from nothing else but constants."""
        if operation.place.phase != LOSS or operation.place.call is not None:
            return None
        weights: dict[str, TensorId] = {}
        seen: set[TensorId] = set()
        left = list(operation.inputs)
        while left:
            tensor = left.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            if (path := self.path_of(tensor)) is not None:
                weights[path] = tensor
            elif tensor in self.data:
                return None
            elif (maker := self.recorder.maker(tensor)) is not None:
                if maker.place.call is not None:
                    return None
                left += maker.inputs
        return next(iter(weights.values())) if len(weights) == 1 else None

    def of_regularizer(self, weight: TensorId) -> str:
        """What a regularizer is called."""
        return f"regularizer of {self.path_of(weight)}"

    def phase_of_variable(self, tensor: TensorId) -> str:
        """The phase of the update in which a variable is read first."""
        return next((user.place.phase for user in self._readers(tensor)), FORWARD)

    def _readers(self, tensor: TensorId) -> Sequence[Executed]:
        variable = self.recorder.variable(tensor)
        return () if variable is None else self.recorder.users_of(("variable", variable.handle._id, 0))

    def of_tensor(self, tensor: TensorId) -> str:
        """A tensor of the way forward as a path: `dense`, `lstm/candidate_sum`, `encoder/kernel`, `distance/sqrt`."""
        if (path := self.path_of(tensor)) is not None:
            return path
        if tensor in self.data:
            return self.data[tensor]
        named = self.recorder.names.get(tensor)
        if named is not None:
            if named.call is None:
                return named.tensor
            return named.call.name if named.tensor == "output" else f"{named.call.name}/{named.tensor}"
        maker = self.recorder.maker(tensor)
        return "a constant" if maker is None else self.of_operation(maker)

    def of_operation(self, operation: Executed) -> str:
        """An operation of the way forward as a path: of the user's with its name, else that of its layer."""
        where = self.layer_at(operation) or "loss"
        called = self.called_by_user(operation)
        return where if called is None else f"{where}/{called}"

    def called_by_user(self, operation: Executed) -> str | None:
        """What an operation is called in the user's own code; None in Keras's layers and losses."""
        call = operation.place.call
        of_users = call.users if call is not None else operation.place.phase == LOSS
        return operation.users.operation if of_users and operation.users is not None else None

    def layer_at(self, operation: Executed) -> str | None:
        """The layer in which an operation was executed; None outside of the model."""
        call = operation.place.call
        return None if call is None else call.name

    def of_inputs(self, operation: Executed, numbers: list[int]) -> list[str]:
        """What the inputs of an operation are called among its operands, each differently."""
        names: list[str] = []
        for number, letter in zip(numbers, "xyzuvw" * len(numbers), strict=False):
            name = self._operand(operation.inputs[number], operation) or letter
            names.append(name if name not in names else letter)
        return names

    def _operand(self, tensor: TensorId, user: Executed, *, depth: int = 2) -> str | None:
        """A tensor as an operand of an operation: by its name, or as what it was computed from."""
        tensor = self._passed_on(tensor)
        if (path := self.path_of(tensor)) is not None:
            return path.rpartition("/")[2]
        if tensor in self.data:
            return self.data[tensor]
        named = self.recorder.names.get(tensor)
        if named is not None:
            return self._named_operand(named, user.place.call, user.place.timestep)
        maker = self.recorder.maker(tensor)
        if maker is None:
            constant = self.recorder.constants.get(tensor)
            return f"{constant:g}" if constant is not None and depth < 2 else None
        if maker.place.phase == user.place.phase == BACKWARD:
            return "upstream gradient"
        return self._computed(maker, user, depth=depth) if depth else None

    def _computed(self, maker: Executed, user: Executed, *, depth: int) -> str | None:
        if maker.place.call is not user.place.call or maker.kind not in SIGNS:
            return None
        parts = [self._operand(one, user, depth=depth - 1) for one in maker.inputs]
        if maker.kind == "Mul" and None in parts:
            # The other factor is a mask of dropout's, say; a constant alone would not tell what this is.
            known = zip(maker.inputs, parts, strict=True)
            return next((part for one, part in known if part and one not in self.recorder.constants), None)
        if None in parts:
            return None
        sign = SIGNS[maker.kind]
        return f"{sign}({parts[0]})" if len(parts) == 1 else f" {sign} ".join(map(str, parts))

    def _named_operand(self, named: Named, call: Call | None, timestep: int | None) -> str:
        if named.call is None:
            return named.tensor
        if call is None or named.call.whole is call.whole:
            inside = named.tensor if call is not None else named.call.name
            return inside if named.timestep == timestep or call is None else f"{inside} before"
        return "input"

    def _passed_on(self, tensor: TensorId) -> TensorId:
        """The tensor that one is, but for its type and the places of its numbers."""
        while tensor not in self.recorder.names and tensor not in self.data:
            maker = self.recorder.maker(tensor)
            if maker is None or maker.kind not in PASSING_ON or not maker.inputs:
                break
            # The others are the axis of a split, and the condition of a choice.
            tensor = maker.inputs[1 if maker.kind in ("Split", "Select", "SelectV2") else 0]
        return tensor


def plain_name(operation: Executed) -> str:
    """An operation's name where it belongs to no one."""
    return operation_name(operation.kind)

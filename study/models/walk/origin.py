"""The first number that is not finite and from which a loss, a weight or a gradient stopped being finite.

From what went wrong in the end, the way back through the operations is followed number by number: which numbers that
were not finite had a say in it. What is not on this way did no harm: a gate's sum that overflowed into a sigmoid, minus
infinity in a mask before a softmax. On the way, a number is the first where none that it was made of was not finite.

An infinity that the user wrote down as a constant is there on purpose. It becomes the fault only where an operation
makes NaN of it, as a softmax does of a row that is nothing but minus infinity; or if it reaches the loss itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from study.models.walk.influence import Mask, Masks, Shown, reached, sources
from study.models.walk.place import Executed, TensorId
from study.models.walk.recorder import Recorder

Wanted: TypeAlias = dict[TensorId, Mask]


@dataclass(frozen=True, kw_only=True, eq=False)
class Origin:
    """Where numbers stopped being finite.

    Attributes:
        shown: The operation that made them; None where the update was given them.
        output: Number of the operation's output.
        tensor: The tensor they are in.
        where: Which of its numbers, those that did harm.
        values: The tensor.
    """

    shown: Shown | None
    output: int = 0
    tensor: TensorId
    where: Mask
    values: np.ndarray

    @property
    def index(self) -> tuple[int, ...]:
        """Place of the first of them."""
        return tuple(int(one) for one in np.unravel_index(int(np.argmax(self.where)), self.where.shape))


@dataclass(frozen=True, kw_only=True)
class Way:
    """From the first numbers that are not finite to what they spoiled.

    Attributes:
        operations: On the way, in the order of execution.
        wanted: Of every tensor on the way, the numbers that had a say.
    """

    operations: Sequence[Shown]
    wanted: Wanted


def way_to(spoiled: Wanted, recorder: Recorder) -> Way:
    """All that had a say in what is spoiled.

    Args:
        spoiled: Tensors, and which of their numbers.
        recorder: Of the update.
    """
    wanted = {tensor: mask.copy() for tensor, mask in spoiled.items()}
    operations: list[Shown] = []
    for operation in reversed(recorder.executed):
        if not any(output in wanted for output in operation.outputs):
            continue
        shown = recorder.shown(operation)
        if shown is None:
            continue
        operations.append(shown)
        masks = {number: wanted[output] for number, output in enumerate(operation.outputs) if output in wanted}
        for number, mask in sources(shown, masks).items():
            tensor = operation.inputs[number]
            bad = recorder.bad(tensor)
            if bad is not None and (had_a_say := mask & bad).any():
                wanted[tensor] = wanted[tensor] | had_a_say if tensor in wanted else had_a_say
    return Way(operations=operations[::-1], wanted=wanted)


def first(way: Way, recorder: Recorder, *, given: Callable[[TensorId], int | None]) -> Origin | None:
    """The first numbers on a way that were made of none that was not finite.

    Args:
        way: As `way_to` gives it.
        recorder: Of the update.
        given: The rank of a tensor that the update was given, its data first, then variables; None of a constant.

    Returns:
        None where the way has no beginning, because an operation on it is not known well enough.
    """
    made = {output for shown in way.operations for output in shown.operation.outputs}
    outside = [tensor for tensor in way.wanted if tensor not in made and recorder.maker(tensor) is None]
    ranked = [(rank, tensor) for tensor in outside if (rank := given(tensor)) is not None]
    if ranked:
        _, tensor = min(ranked, key=lambda one: one[0])
        return Origin(shown=None, tensor=tensor, where=way.wanted[tensor], values=recorder.values(tensor))
    on_purpose = {tensor: way.wanted[tensor] & np.isinf(recorder.values(tensor)) for tensor in outside}
    passed: Origin | None = None
    for shown in way.operations:
        for output, (fresh, still) in _made(shown, way.wanted, on_purpose).items():
            tensor = shown.operation.outputs[output]
            values = shown.outputs[output]
            if fresh.any():
                return Origin(shown=shown, output=output, tensor=tensor, where=fresh, values=values)
            if still.any():
                on_purpose[tensor] = still
                passed = passed or Origin(shown=shown, output=output, tensor=tensor, where=still, values=values)
    return passed


def _made(shown: Shown, wanted: Mapping[TensorId, Mask], on_purpose: Wanted) -> dict[int, tuple[Mask, Mask]]:
    """Of every output the numbers that the operation made not finite, and those that are so on purpose."""
    spoiled: Masks = {}
    meant: Masks = {}
    for number, tensor in enumerate(shown.operation.inputs):
        if tensor in wanted:
            purpose = on_purpose.get(tensor, np.zeros(wanted[tensor].shape, bool))
            for masks, mask in ((spoiled, wanted[tensor] & ~purpose), (meant, purpose)):
                if mask.any():
                    masks[number] = mask
    inherited = reached(shown, spoiled) if spoiled else {}
    through = reached(shown, meant) if meant else {}
    found = {}
    for output, tensor in enumerate(shown.operation.outputs):
        if tensor in wanted:
            nothing = np.zeros(wanted[tensor].shape, bool)
            new = wanted[tensor] & ~inherited.get(output, nothing)
            still = new & through.get(output, nothing) & ~np.isnan(shown.outputs[output])
            found[output] = new & ~still, still
    return found


def followed(origin: Origin, way: Way, *, until: Callable[[TensorId, Executed], bool]) -> tuple[TensorId, Mask] | None:
    """Where the first number of an origin goes, up to a tensor of interest.

    Args:
        origin: On the way.
        way: To what it spoiled.
        until: Whether a tensor is of interest, and the operation that made it.

    Returns:
        The tensor and the numbers in it that the origin's has a say in; None where it meets none.
    """
    start = np.zeros(origin.where.shape, bool)
    start[origin.index] = True
    marked: Wanted = {origin.tensor: start}
    if origin.shown is not None and until(origin.tensor, origin.shown.operation):
        return origin.tensor, start
    begun = origin.shown is None
    for shown in way.operations:
        if not begun:
            begun = origin.shown is not None and shown.operation is origin.shown.operation
            continue
        given = {number: marked[one] for number, one in enumerate(shown.operation.inputs) if one in marked}
        if not given:
            continue
        for output, mask in reached(shown, given).items():
            tensor = shown.operation.outputs[output]
            if tensor not in way.wanted or not (mask := mask & way.wanted[tensor]).any():
                continue
            marked[tensor] = mask
            if until(tensor, shown.operation):
                return tensor, mask
    return None

"""An onset of what was found: phase, layer, tensor, place and operands."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from study.models.onset import ModelOnset
from study.models.walk.influence import Shown, sources
from study.models.walk.kinds import ALONG_THE_LAST_AXIS, ELEMENTWISE
from study.models.walk.naming import Naming, plain_name
from study.models.walk.origin import Origin, Way, followed
from study.models.walk.place import BACKWARD, DATA, FORWARD, LOSS, OPTIMIZER, Call, Executed, TensorId
from study.trial.tensor_name import TensorName


@dataclass(frozen=True, kw_only=True)
class _Told:
    """Layer, tensor and place within it."""

    layer: str | None
    tensor: str
    index: tuple[int, ...]
    shape: tuple[int, ...]
    timestep: int | None = None
    source: str | None = None


class Describer:
    """Puts what was found in an update in the words of an onset.

    Args:
        update: Its number.
        naming: Of its tensors.
        way: To what was spoiled.
        samples: In the batch.
    """

    def __init__(self, *, update: int, naming: Naming, way: Way, samples: int | None) -> None:
        self.update = update
        self.naming = naming
        self.recorder = naming.recorder
        self.way = way
        self.samples = samples

    def onset(self, origin: Origin, *, warning: str | None = None) -> ModelOnset:
        """The onset that begins with the first number of an origin."""
        phase, told = self._told(origin)
        value = float(np.real(origin.values[origin.index]))
        sample, timestep, unit = self._position(told, origin, phase)
        return ModelOnset(
            update=self.update,
            phase=phase,
            layer=told.layer,
            what=TensorName.parse(told.tensor),
            timestep=timestep,
            sample=sample,
            unit=unit,
            index=told.index,
            value=f"{value:.6g}" if math.isfinite(value) else str(value),
            operands={} if origin.shown is None else self._operands(origin, origin.shown),
            warning=warning,
            source=told.source,
        )

    def _told(self, origin: Origin) -> tuple[str, _Told]:
        if origin.shown is None:
            return self._given(origin)
        operation = origin.shown.operation
        phase = operation.place.phase
        if phase == LOSS and operation.place.loose and self._goes_into_a_layer(operation):
            phase = FORWARD
        describe: Callable[[Origin, Executed], _Told] = {
            FORWARD: self._forward,
            LOSS: self._loss,
            BACKWARD: self._backward,
            OPTIMIZER: self._optimizer,
        }[phase]
        return phase, describe(origin, operation)

    def _goes_into_a_layer(self, operation: Executed) -> bool:
        """Whether a layer is called with what was computed from an operation's outputs."""
        seen: set[TensorId] = set()
        left = list(operation.outputs)
        while left:
            tensor = left.pop()
            if tensor in seen:
                continue
            seen.add(tensor)
            for user in self.recorder.users_of(tensor):
                if user.place.phase in (BACKWARD, OPTIMIZER):
                    continue
                if user.place.call is not None:
                    return True
                left += user.outputs
        return False

    def _given(self, origin: Origin) -> tuple[str, _Told]:
        index, shape = origin.index, origin.where.shape
        if origin.tensor in self.naming.data:
            return DATA, _Told(layer=None, tensor=self.naming.data[origin.tensor], index=index, shape=shape)
        path = str(self.naming.path_of(origin.tensor))
        told = _Told(layer=self._layer_of_written(origin.tensor), tensor=path, index=index, shape=())
        return self.naming.phase_of_variable(origin.tensor), told

    def _forward(self, origin: Origin, operation: Executed) -> _Told:
        layer, timestep = self.naming.layer_at(operation), operation.place.timestep
        source = None if operation.users is None else operation.users.source
        called = self.naming.called_by_user(operation)
        if called is None:
            call = operation.place.call
            found = followed(origin, self.way, until=lambda tensor, _: self._belongs(tensor, call))
            if found is not None:
                tensor, mask = found
                written = isinstance(tensor, tuple)
                return _Told(
                    layer=layer,
                    tensor=str(self.naming.path_of(tensor)) if written else self.recorder.names[tensor].tensor,
                    index=_first(mask),
                    shape=() if written else mask.shape,
                    timestep=timestep,
                    source=source,
                )
        return _Told(
            layer=layer,
            tensor=called or plain_name(operation),
            index=origin.index,
            shape=origin.where.shape,
            timestep=timestep,
            source=source,
        )

    def _belongs(self, tensor: TensorId, call: Call | None) -> bool:
        """Whether a tensor has a name in a call: what the layer gives, what its cell computes, its own variable."""
        if isinstance(tensor, tuple):
            return True
        named = self.recorder.names.get(tensor)
        return named is not None and named.call is not None and call is not None and named.call.whole is call.whole

    def _loss(self, origin: Origin, operation: Executed) -> _Told:
        index, shape = origin.index, origin.where.shape
        called = self.naming.called_by_user(operation)
        source = None if operation.users is None else operation.users.source
        weight = self.naming.regularized(operation)
        if weight is not None:
            layer, tensor = self.naming.layer_of_variable(weight), self.naming.of_regularizer(weight)
            return _Told(layer=layer, tensor=tensor, index=index, shape=(), source=source if called else None)
        if called is not None:
            return _Told(layer=operation.place.output, tensor=called, index=index, shape=shape, source=source)
        return _Told(layer=operation.place.output, tensor="loss", index=index, shape=shape)

    def _backward(self, origin: Origin, operation: Executed) -> _Told:
        forward = operation.derivative_of or self._forward_of_inputs(operation)
        index, shape = origin.index, origin.where.shape
        named = self.recorder.names.get(origin.tensor)
        if forward is None:
            tensor = named.tensor if named is not None else f"gradient of {plain_name(operation)}"
            return _Told(layer=None, tensor=tensor, index=index, shape=shape)
        called = self.naming.called_by_user(forward)
        weight = self.naming.regularized(forward)
        if named is not None:
            tensor = named.tensor
        elif weight is not None:
            tensor = f"gradient of {self.naming.of_regularizer(weight)}"
        elif called is not None:
            tensor = f"gradient of {self.naming.of_operation(forward)}"
        else:
            tensor = f"gradient of {self.naming.of_tensor(self._with_respect_to(operation, forward))}"
        of_weight = weight is not None or self._is_gradient_of_a_weight(operation, forward)
        layer = self.naming.layer_at(forward) or forward.place.output
        return _Told(
            layer=layer if weight is None else self.naming.layer_of_variable(weight),
            tensor=tensor,
            index=index,
            shape=() if of_weight else shape,
            timestep=forward.place.timestep,
            source=None if forward.users is None else forward.users.source,
        )

    def _forward_of_inputs(self, operation: Executed) -> Executed | None:
        """For a sum of gradients: the operation of the way forward that one of them belongs to."""
        for tensor in operation.inputs:
            maker = self.recorder.maker(tensor)
            if maker is not None and maker.derivative_of is not None:
                return maker.derivative_of
        return None

    def _with_respect_to(self, operation: Executed, forward: Executed) -> TensorId:
        """The tensor whose gradient an operation gives: what goes into the forward one, less what it uses of that."""
        if operation.derivative_of is None:
            takes = [
                set(maker.derivative_of.inputs)
                for one in operation.inputs
                if (maker := self.recorder.maker(one)) is not None and maker.derivative_of is not None
            ]
            common = set.intersection(*takes) if takes else set()
            return next((one for one in forward.inputs if one in common), forward.inputs[0])
        used = set(operation.inputs)
        for tensor in operation.inputs:
            maker = self.recorder.maker(tensor)
            # What is used of the way forward may be turned round first.
            if maker is not None and maker.derivative_of is forward:
                used |= set(maker.inputs)
        shapes = self.recorder.shapes
        made = shapes.get(operation.outputs[0]) if operation.outputs else None
        left = [one for one in forward.inputs if one not in used and one in shapes] or list(forward.inputs)
        alike = [one for one in left if shapes.get(one) == made]
        # Of what was broadcast the gradient is a sum, and not of its shape at first.
        return alike[0] if alike else min(left, key=lambda one: len(shapes.get(one, ())))

    def _is_gradient_of_a_weight(self, operation: Executed, forward: Executed) -> bool:
        return self.naming.path_of(self._with_respect_to(operation, forward)) is not None

    def _optimizer(self, origin: Origin, operation: Executed) -> _Told:
        source = None if operation.users is None else operation.users.source
        found = followed(origin, self.way, until=lambda tensor, _: isinstance(tensor, tuple))
        if found is None:
            return _Told(layer=None, tensor=plain_name(operation), index=origin.index, shape=(), source=source)
        tensor, mask = found
        layer = self._layer_of_written(tensor)
        path = str(self.naming.path_of(tensor))
        return _Told(layer=layer, tensor=path, index=_first(mask), shape=(), source=source)

    def _layer_of_written(self, tensor: TensorId) -> str | None:
        """The layer whose weight a variable is, or, of the optimizer's own, is for."""
        found = self.naming.layer_of_variable(tensor) or self.naming.layer_of_optimizers(tensor)
        if found is not None:
            return found
        for spoiled in self.way.wanted:
            if isinstance(spoiled, tuple) and (layer := self.naming.layer_of_variable(spoiled)) is not None:
                return layer
        return None

    def _position(self, told: _Told, origin: Origin, phase: str) -> tuple[int | None, int | None, int | None]:
        """Sample, timestep and unit."""
        index, shape = told.index, told.shape
        if not shape or phase == OPTIMIZER:
            return None, told.timestep, None
        by_sample = self.samples is not None and shape[0] == self.samples
        sample = index[0] if by_sample else self._sample(origin)
        timestep = told.timestep
        if timestep is None and by_sample and len(shape) == 3:
            timestep = index[1]
        unit = index[-1] if len(shape) > 1 else None
        return sample, timestep, unit

    def _sample(self, origin: Origin) -> int | None:
        """The sample that a number belongs to whose tensor has no axis for them, by where it goes."""
        if self.samples is None:
            return None

        def has_samples(tensor: TensorId, _: Executed) -> bool:
            return self.recorder.values(tensor).shape[:1] == (self.samples,)

        found = followed(origin, self.way, until=has_samples)
        if found is None:
            return None
        samples = np.flatnonzero(found[1].reshape(len(found[1]), -1).any(axis=1))
        return int(samples[0]) if len(samples) == 1 else None

    def _operands(self, origin: Origin, shown: Shown) -> dict[str, float]:
        floats = shown.floats()
        names = self.naming.of_inputs(shown.operation, floats)
        one = np.zeros(origin.where.shape, bool)
        one[origin.index] = True
        parts = sources(shown, {origin.output: one})
        told: dict[str, float] = {}
        for number, name in zip(floats, names, strict=True):
            had_a_say = shown.inputs[number][parts[number]] if number in parts else shown.inputs[number][:0]
            if had_a_say.size == 1 and (shown.operation.kind in ELEMENTWISE or shown.inputs[number].size == 1):
                told[name] = float(np.real(had_a_say.ravel()[0]))
            elif had_a_say.size and shown.operation.kind in ALONG_THE_LAST_AXIS:
                told[f"largest {name}"] = float(had_a_say.max())
            elif had_a_say.size:
                told[f"largest |{name}|"] = float(np.abs(had_a_say).max())
        return told


def _first(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(one) for one in np.unravel_index(int(np.argmax(mask)), mask.shape))

"""Which numbers that go into an operation have a say in which that come out of it.

Masks, arrays of truth values of a tensor's shape, stand for sets of its numbers. An operation that is not known here
is taken to make each number out of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context, execute

from study.models.walk.contraction import equation_of, marked_in
from study.models.walk.kinds import ALONG_THE_LAST_AXIS, ELEMENTWISE, MOVING, REDUCING, SAMPLE_BY_SAMPLE
from study.models.walk.place import Executed

Mask: TypeAlias = np.ndarray
Masks: TypeAlias = dict[int, Mask]
"""Number of an input or output -> mask."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An executed operation with its tensors.

    Attributes:
        operation: What was executed.
        inputs: Values of its inputs.
        outputs: Values of its outputs.
    """

    operation: Executed
    inputs: Sequence[np.ndarray]
    outputs: Sequence[np.ndarray]

    def floats(self) -> list[int]:
        """Numbers of the inputs that are not whole numbers, truth values or references."""
        return [number for number, values in enumerate(self.inputs) if is_float(values)]


def is_float(values: np.ndarray) -> bool:
    return values.dtype.kind in "fc" or values.dtype.name in ("bfloat16", "float8_e5m2", "float8_e4m3fn")


def sources(shown: Shown, wanted: Mapping[int, Mask]) -> Masks:
    """The numbers of the inputs that have a say in the wanted ones of the outputs."""
    return _rule(shown)(shown, wanted, back=True)


def reached(shown: Shown, given: Mapping[int, Mask]) -> Masks:
    """The numbers of the outputs in which the given ones of the inputs have a say."""
    return _rule(shown)(shown, given, back=False)


def _rule(shown: Shown) -> Callable[..., Masks]:
    kind = shown.operation.kind
    if kind in ("Select", "SelectV2"):
        return _selecting
    for kinds, rule in (
        (ELEMENTWISE, _elementwise),
        (MOVING, _moving),
        (REDUCING, _reducing),
        (ALONG_THE_LAST_AXIS, _along_the_last_axis),
        (SAMPLE_BY_SAMPLE, _sample_by_sample),
    ):
        if kind in kinds:
            return rule
    if equation_of(shown.operation) is not None:
        return _contracting
    return {"BiasAddGrad": _bias_gradient, "L2Loss": _all}.get(kind, _all)


def _narrowed(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Of a broadcast tensor's mask that of the tensor before broadcasting."""
    surplus = mask.ndim - len(shape)
    if surplus > 0:
        mask = np.asarray(mask.any(axis=tuple(range(surplus))))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and mask.shape[axis] != 1)
    return np.asarray(mask.any(axis=stretched, keepdims=True)) if stretched else mask


def _widened(mask: Mask, shape: tuple[int, ...]) -> Mask:
    return np.broadcast_to(mask, shape) if mask.shape != shape else mask


def _elementwise(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    floats = shown.floats()
    if shown.operation.kind == "IdentityN":
        return dict(masks)
    if back:
        (mask,) = masks.values()
        return {number: _narrowed(mask, shown.inputs[number].shape) for number in floats}
    shape = shown.outputs[0].shape
    return {0: np.logical_or.reduce([_widened(mask, shape) for mask in masks.values()])}


def _selecting(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    shape = shown.outputs[0].shape
    condition = shown.inputs[0]
    if condition.ndim < len(shape) and shown.operation.kind == "Select":
        condition = condition.reshape(condition.shape + (1,) * (len(shape) - condition.ndim))
    taken = {1: np.broadcast_to(condition, shape), 2: np.broadcast_to(~condition, shape)}
    if back:
        (mask,) = masks.values()
        return {number: _narrowed(mask & taken[number], shown.inputs[number].shape) for number in (1, 2)}
    return {0: np.logical_or.reduce([_widened(mask, shape) & taken[number] for number, mask in masks.items()])}


def _moving(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    origin = _origins(shown)
    starts, size = {}, 1
    for number in shown.floats():
        starts[number] = size
        size += shown.inputs[number].size
    flat = np.zeros(size, bool)
    if back:
        for number, mask in masks.items():
            flat[origin[number][mask]] = True
        flat[0] = False
        return {
            number: flat[start : start + shown.inputs[number].size].reshape(shown.inputs[number].shape)
            for number, start in starts.items()
        }
    for number, mask in masks.items():
        flat[starts[number] : starts[number] + mask.size] = mask.ravel()
    return {number: flat[place] for number, place in enumerate(origin)}


def _origins(shown: Shown) -> list[np.ndarray]:
    """For every output, where each number comes from: the operation itself, of numbered places.

    Places are numbered from 1 through all inputs; 0 is what the operation fills in.
    """
    inputs, start = [], 1
    for values in shown.inputs:
        if is_float(values):
            inputs.append(tf.constant(np.arange(start, start + values.size).reshape(values.shape), tf.int64))
            start += values.size
        else:
            inputs.append(tf.constant(values))
    attributes = dict(zip(shown.operation.attributes[::2], shown.operation.attributes[1::2], strict=True))
    attributes |= {name: tf.int64.as_datatype_enum for name in ("T", "Tparams") if name in attributes}
    if shown.operation.kind.startswith("Pad"):
        # Else the filled-in value would count as a place.
        inputs = [*inputs[:2], *[tf.zeros_like(one) for one in inputs[2:]]]
    flat = tuple(part for pair in attributes.items() for part in pair)
    found = execute.quick_execute(shown.operation.kind, len(shown.outputs), inputs, flat, context.context())
    return [one.numpy() for one in found]


def _reducing(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    shape = shown.inputs[0].shape
    axes = tuple(int(axis) % max(len(shape), 1) for axis in np.ravel(shown.inputs[1])) if shape else ()
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    (mask,) = masks.values()
    if back:
        return {0: np.broadcast_to(mask.reshape(kept), shape)}
    return {0: np.asarray(mask.any(axis=axes)).reshape(shown.outputs[0].shape)}


def _along_the_last_axis(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    def along(mask: Mask, shape: tuple[int, ...]) -> Mask:
        rows = mask.any(axis=-1, keepdims=True) if mask.ndim == len(shape) else mask[..., np.newaxis]
        return np.broadcast_to(rows, shape)

    if back:
        rows = [along(mask, shown.inputs[0].shape) for mask in masks.values()]
        return {number: np.logical_or.reduce(rows) for number in shown.floats()}
    row = np.logical_or.reduce([np.asarray(mask.any(axis=-1)) for mask in masks.values()])
    return {
        number: np.broadcast_to(row.reshape(row.shape + (1,) * (one.ndim - row.ndim)), one.shape)
        for number, one in enumerate(shown.outputs)
    }


def _sample_by_sample(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    into, out = (shown.outputs, shown.inputs) if back else (shown.inputs, shown.outputs)
    samples = shown.outputs[0].shape[0]
    found = {number: np.zeros(values.shape, bool) for number, values in enumerate(out) if not back or is_float(values)}
    for number, mask in masks.items():
        by_sample = len(into[number]) == samples if into[number].ndim else False
        for target in found.values():
            if by_sample and target.ndim and len(target) == samples:
                target |= mask.reshape(samples, -1).any(axis=1).reshape(samples, *(1,) * (target.ndim - 1))
            else:
                target |= mask.any()
    return found


def _contracting(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    equation = str(equation_of(shown.operation))
    terms, result = equation.split("->")
    names = terms.split(",")
    if back:
        (mask,) = masks.values()
        shapes = [values.shape for values in shown.inputs]
        return {number: marked_in(mask, result, name, shapes[number]) for number, name in enumerate(names)}
    found = np.zeros(shown.outputs[0].shape, bool)
    for number, mask in masks.items():
        factors = [np.ones(values.shape, np.float32) for values in shown.inputs]
        factors[number] = mask.astype(np.float32)
        found |= np.einsum(equation, *factors) > 0
    return {0: found}


def _bias_gradient(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    (mask,) = masks.values()
    if back:
        return {0: np.broadcast_to(mask, shown.inputs[0].shape)}
    return {0: np.asarray(mask.any(axis=tuple(range(mask.ndim - 1))))}


def _all(shown: Shown, masks: Mapping[int, Mask], *, back: bool) -> Masks:
    some = any(mask.any() for mask in masks.values())
    if back:
        return {number: np.full(shown.inputs[number].shape, some) for number in shown.floats()}
    return {number: np.full(values.shape, some) for number, values in enumerate(shown.outputs)}

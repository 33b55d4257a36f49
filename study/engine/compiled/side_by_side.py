"""One function for a whole population: `side_by_side` adds an axis of trials to a graph, operation by operation.

`tf.vectorized_map` does the work. Four of its conversions do not compile under XLA, since they divide trials into
groups whose sizes are known only at run time or keep them in lists, and a few operations have none. Those stand here:

- Branches whose predicate differs between trials are all computed, and each trial's is selected.
- A loop whose number of rounds is the same for all trials stays one loop.
- XLA's own slices get one more axis.

TensorFlow has no public way to give it a conversion; these are in place only while a function is converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from study.engine.private_tensorflow import gen_xla_ops, pfor
from study.engine.runtime import tf
from study.engine.tensors import Tensor


def side_by_side(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function` of every trial at once, to be called while a graph is traced.

    Args:
        function: Of one trial, made of pure operations with shapes known beforehand.
        arguments: Nested structures of tensors, each with the trials as its first axis.

    Returns:
        What the function returns, each tensor with the trials as its first axis.

    Raises:
        ValueError: The function uses an operation that has no conversion.
    """
    with _own_conversions():
        return tf.vectorized_map(lambda values: function(*values), arguments, fallback_to_while_loop=False)


@contextmanager
def _own_conversions() -> Iterator[None]:
    registry = pfor._pfor_converter_registry
    kept = dict(registry)
    registry.update(_CONVERSIONS)
    try:
        yield
    finally:
        registry.clear()
        registry.update(kept)


# --- functions within the function ----------------------------------------------------------------------------------


def _function(conversion: Any, name: str) -> Any:
    return conversion.op.graph._get_function(tf.compat.as_bytes(name))


def _population(conversion: Any) -> int:
    """Number of trials."""
    return next(int(value.t.shape[0]) for value in conversion.inputs if value.is_stacked)


def _converted(conversion: Any, function: Any, inputs: Sequence[Any], population: int) -> list[Any]:
    """Outputs of a graph's function, put in place: each with a trials axis or the same for all trials."""
    outer = conversion.pfor
    inner = pfor.PFor(
        loop_var=outer.loop_var,
        loop_len=population,
        pfor_ops=function.graph.get_operations(),
        fallback_to_while_loop=False,
        all_indices=outer.all_indices,
        pfor_config=outer.pfor_config,
    )
    for placeholder, value in zip(function.graph.inputs, inputs, strict=True):
        inner._add_conversion(placeholder, value)
    return [inner._convert_helper(output) for output in function.graph.outputs]


def _stacked(value: Any, population: int) -> Tensor:
    """The value with a trials axis."""
    if value.is_stacked:
        return value.t
    return tf.broadcast_to(value.t[tf.newaxis], [population, *value.t.shape])


def beside(condition: Tensor, value: Tensor) -> Tensor:
    """A condition by trial, shaped so that it selects from a value by trial."""
    return tf.reshape(condition, [condition.shape[0]] + [1] * (len(value.shape) - 1))


def _convert_if(conversion: Any) -> list[Any]:
    then, otherwise = (_function(conversion, conversion.get_attr(name).name) for name in ("then_branch", "else_branch"))
    return _select(conversion, [otherwise, then], lambda predicate, number: predicate == bool(number))


def _convert_case(conversion: Any) -> list[Any]:
    branches = [_function(conversion, branch.name) for branch in conversion.get_attr("branches")]
    return _select(conversion, branches, lambda chosen, number: chosen == number)


def _select(conversion: Any, branches: Sequence[Any], is_chosen: Callable[[Tensor, int], Tensor]) -> list[Any]:
    """Every branch, and of each trial the outputs of its own."""
    population = _population(conversion)
    chooser = _stacked(conversion.inputs[0], population)
    *others, selected = (
        [_stacked(output, population) for output in _converted(conversion, branch, conversion.inputs[1:], population)]
        for branch in branches
    )
    # The last one stands for every number that has no branch, as in `tf.switch_case`.
    for number, values in enumerate(others):
        chosen = is_chosen(chooser, number)
        selected = [tf.where(beside(chosen, new), new, old) for new, old in zip(values, selected, strict=True)]
    return [pfor.wrap(value, True) for value in selected]


def _convert_while(conversion: Any) -> list[Any]:
    """One loop for all trials; what any round makes different between them gets a trials axis from the start."""
    population = _population(conversion)
    goes_on, body = (_function(conversion, conversion.get_attr(name).name) for name in ("cond", "body"))
    differs = [value.is_stacked for value in conversion.inputs]

    def wrapped(values: Sequence[Tensor]) -> list[Any]:
        return [pfor.wrap(value, stacked) for value, stacked in zip(values, differs, strict=True)]

    def once(*values: Tensor) -> list[Tensor]:
        outputs = _converted(conversion, body, wrapped(values), population)
        found[:] = [output.is_stacked for output in outputs]
        return [
            _stacked(output, population) if stacked else output.t
            for output, stacked in zip(outputs, differs, strict=True)
        ]

    def more(*values: Tensor) -> Tensor:
        condition = _converted(conversion, goes_on, wrapped(values), population)[0]
        assert not condition.is_stacked, "a loop of which trials do different numbers of rounds"
        return condition.t

    def start() -> list[Tensor]:
        return [
            _stacked(value, population) if stacked else value.t
            for value, stacked in zip(conversion.inputs, differs, strict=True)
        ]

    found: list[bool] = []
    while True:
        # A trial run in a graph of its own.
        tf.function(once, autograph=False).get_concrete_function(*(tf.TensorSpec(v.shape, v.dtype) for v in start()))
        if not any(new and not old for new, old in zip(found, differs, strict=True)):
            break
        differs = [new or old for new, old in zip(found, differs, strict=True)]
    return wrapped(tf.while_loop(more, once, start()))


# --- operations -----------------------------------------------------------------------------------------------------


def _convert_dynamic_slice(conversion: Any) -> list[Any]:
    sequence, first, sizes = conversion.stacked_input(0), conversion.unstacked_input(1), conversion.unstacked_input(2)
    population = sequence.shape[0]
    first = tf.concat([tf.zeros([1], first.dtype), first], axis=0)
    sizes = tf.concat([tf.constant([population], sizes.dtype), sizes], axis=0)
    return [pfor.wrap(gen_xla_ops.xla_dynamic_slice(sequence, first, sizes), True)]


def _convert_dynamic_update_slice(conversion: Any) -> list[Any]:
    population = _population(conversion)
    sequence, value = (_stacked(conversion.inputs[place], population) for place in (0, 1))
    first = conversion.unstacked_input(2)
    first = tf.concat([tf.zeros([1], first.dtype), first], axis=0)
    return [pfor.wrap(gen_xla_ops.xla_dynamic_update_slice(sequence, value, first), True)]


def _convert_bitcast(conversion: Any) -> list[Any]:
    return [pfor.wrap(tf.bitcast(conversion.stacked_input(0), conversion.get_attr("type")), True)]


_CONVERSIONS = {
    "StatelessIf": _convert_if,
    "If": _convert_if,
    "StatelessCase": _convert_case,
    "Case": _convert_case,
    "StatelessWhile": _convert_while,
    "While": _convert_while,
    "XlaDynamicSlice": _convert_dynamic_slice,
    "XlaDynamicUpdateSlice": _convert_dynamic_update_slice,
    "Bitcast": _convert_bitcast,
}

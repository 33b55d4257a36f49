"""Which numbers have a say in which, held against where a NaN gets to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from study.models.walk.influence import Shown, reached, sources
from study.models.walk.place import FORWARD, Executed, Place

EXACT: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "add": (lambda a, b: a + b, [(3, 4), (4,)]),
    "add_n": (lambda a, b: tf.add_n([a, b]), [(3, 2), (3, 2)]),
    "multiply_column": (lambda a, b: a * b, [(3, 4), (3, 1)]),
    "subtract_scalar": (lambda a, b: a - b, [(3, 4), ()]),
    "bias": (tf.nn.bias_add, [(2, 3, 4), (4,)]),
    "exp": (tf.exp, [(3, 4)]),
    "matmul": (tf.matmul, [(3, 4), (4, 2)]),
    "matmul_transposed": (lambda a, b: tf.matmul(a, b, transpose_a=True, transpose_b=True), [(4, 3), (2, 4)]),
    "batch_matmul": (tf.matmul, [(2, 3, 4), (2, 4, 5)]),
    "batch_matmul_broadcast": (tf.matmul, [(2, 3, 4), (1, 4, 5)]),
    "batch_matmul_adjoint": (lambda a, b: tf.matmul(a, b, adjoint_b=True), [(2, 3, 4), (2, 5, 4)]),
    "einsum": (lambda a, b: tf.einsum("abc,cde->abde", a, b), [(2, 3, 4), (4, 2, 2)]),
    "einsum_moved": (lambda a, b: tf.einsum("btnh,bsnh->bnts", a, b), [(2, 3, 2, 2), (2, 4, 2, 2)]),
    "einsum_summed": (lambda a: tf.einsum("abc->cb", a), [(2, 3, 4)]),
    "transpose": (lambda a: tf.transpose(a, (2, 0, 1)), [(2, 3, 4)]),
    "reshape": (lambda a: tf.reshape(a, (6, 2)), [(3, 4)]),
    "concatenate": (lambda a, b: tf.concat([a, b], axis=1), [(2, 3), (2, 2)]),
    "split": (lambda a: tf.split(a, 3, axis=1), [(2, 6)]),
    "stack": (lambda a, b: tf.stack([a, b], axis=1), [(2, 3), (2, 3)]),
    "unstack": (lambda a: tf.unstack(a, axis=1), [(2, 3)]),
    "slice": (lambda a: a[:, 1:, 0], [(2, 3, 2)]),
    "gather": (lambda a: tf.gather(a, [2, 0, 0]), [(3, 2)]),
    "gather_nd": (lambda a: tf.gather_nd(a, [[0, 1], [2, 0]]), [(3, 2)]),
    "tile": (lambda a: tf.tile(a, (2, 3)), [(2, 2)]),
    "pad": (lambda a: tf.pad(a, ((1, 0), (0, 2)), constant_values=7.0), [(2, 2)]),
    "reverse": (lambda a: tf.reverse(a, [0]), [(3, 2)]),
    "broadcast": (lambda a: tf.broadcast_to(a, (4, 2, 3)), [(2, 3)]),
    "roll": (lambda a: tf.roll(a, 1, axis=1), [(2, 3)]),
    "sum": (lambda a: tf.reduce_sum(a, axis=1), [(2, 3, 2)]),
    "sum_kept": (lambda a: tf.reduce_sum(a, axis=(0, -1), keepdims=True), [(2, 3, 2)]),
    "mean_of_all": (tf.reduce_mean, [(2, 3)]),
    "log_softmax": (tf.nn.log_softmax, [(3, 4)]),
}
"""Operations of which it is known exactly; the shapes of what goes in."""

AT_LEAST: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "softmax": (tf.nn.softmax, [(2, 3, 4)]),  # its kernel on CPUs sums up what is a number
    "convolution": (lambda a, b: tf.nn.conv2d(a, b, 1, "SAME"), [(3, 4, 4, 2), (2, 2, 2, 2)]),
    "pooling": (lambda a: tf.nn.max_pool2d(a, 2, 2, "VALID"), [(3, 4, 4, 2)]),
    "cumulated": (lambda a: tf.cumsum(a, axis=1), [(2, 3)]),
    "of_a_segment": (lambda a: tf.math.unsorted_segment_sum(a, [0, 1, 0], 2), [(3, 2)]),
    "normalised": (lambda a: tf.nn.l2_loss(a), [(3, 2)]),
    "diagonal": (lambda a: tf.einsum("aa->a", a), [(3, 3)]),
}
"""Operations of which more numbers may be named than have a say."""


def executed(function: Callable[..., Any], inputs: list[np.ndarray]) -> Shown:
    """The last operation that a function executes."""
    seen: list[Shown] = []

    def record(kind: Any, given: Any, attributes: Any, made: Any, op_name: Any = None, graph: Any = None) -> None:
        operation = Executed(
            number=0,
            kind=kind.decode() if isinstance(kind, bytes) else kind,
            attributes=tuple(attributes),
            inputs=tuple(one._id for one in given),
            outputs=tuple(one._id for one in made),
            place=Place(phase=FORWARD),
        )
        seen.append(
            Shown(operation=operation, inputs=[one.numpy() for one in given], outputs=[one.numpy() for one in made])
        )

    tensors = [tf.constant(one) for one in inputs]
    op_callbacks.add_op_callback(record)
    try:
        function(*tensors)
    finally:
        op_callbacks.remove_op_callback(record)
    return seen[-1]


def one_place(shape: tuple[int, ...], index: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[index] = True
    return mask


@pytest.mark.parametrize("name", [*EXACT, *AT_LEAST])
def test_a_number_has_a_say_where_its_nan_gets_to(name: str) -> None:
    function, shapes = (EXACT | AT_LEAST)[name]
    draw = np.random.default_rng(0)
    inputs = [draw.uniform(0.5, 2, shape).astype("float32") for shape in shapes]
    plain = executed(function, inputs)
    for number, values in zip(plain.floats(), inputs, strict=False):
        for index in np.ndindex(values.shape):
            spoiled = [one.copy() for one in inputs]
            spoiled[number - plain.floats()[0]][index] = np.nan
            got = [np.isnan(one) for one in executed(function, spoiled).outputs]
            named = reached(plain, {number: one_place(values.shape, index)})
            for output, where in enumerate(got):
                if name in EXACT:
                    np.testing.assert_array_equal(named[output], where)
                else:
                    assert named[output][where].all()
                for place in np.argwhere(where)[:3]:
                    back = sources(plain, {output: one_place(where.shape, tuple(place))})
                    assert back[number][index]
                for place in np.argwhere(~where)[:3] if name in EXACT else ():
                    back = sources(plain, {output: one_place(where.shape, tuple(place))})
                    assert not back[number][index]


def test_of_a_choice_only_what_was_chosen_has_a_say() -> None:
    condition = tf.constant([[True], [False]])
    inputs = [np.ones((2, 2), "float32"), np.full((2, 2), 2.0, "float32")]
    shown = executed(lambda a, b: tf.where(condition, a, b), inputs)
    back = sources(shown, {0: np.ones((2, 2), bool)})
    np.testing.assert_array_equal(back[1], [[True, True], [False, False]])
    np.testing.assert_array_equal(back[2], [[False, False], [True, True]])

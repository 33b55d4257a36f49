"""Whether numbers are finite, at the least cost to a training that is healthy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import tensorflow as tf

Tensor: TypeAlias = Any

SQUARED = (tf.float32, tf.float64)
"""Types whose squares rarely overflow."""


def any_not_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Whether any number of any of the tensors is NaN or infinite, a scalar of type bool.

    A sum of squares is finite only where all its terms are, and takes one pass over a tensor, a tenth of the time of
    looking at each number. Only where it is not, because a number is not or because finite ones are very large, is
    each number looked at.

    Args:
        tensors: Of floating types.
    """
    if not tensors:
        return tf.constant(False)
    quick = [tf.cast(tf.nn.l2_loss(tensor), tf.float32) for tensor in tensors if tensor.dtype in SQUARED]
    others = [tensor for tensor in tensors if tensor.dtype not in SQUARED]
    certain = tf.math.is_finite(tf.add_n(quick)) if quick else tf.constant(True)
    if others:
        certain &= _all_finite(others)
    return tf.cond(certain, lambda: tf.constant(False), lambda: ~_all_finite(tensors))


def _all_finite(tensors: Sequence[Tensor]) -> Tensor:
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors])

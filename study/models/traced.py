"""Graphs that are made once a model, without TensorFlow's warning that they are made again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf


def traced(function: Callable[..., Any], *, autograph: bool = False) -> Callable[..., Any]:
    """A function that runs as a graph, for one model.

    Another model has other variables, and so needs a graph of its own. TensorFlow counts traces by a function's code,
    for all models together, and from the fifth one on would warn of them. A partial function has no code, and counts
    by itself.

    Args:
        function: Called with tensors, and what is made of them.
        autograph: Whether Python's branches and loops become the graph's.
    """
    return tf.function(partial(function), reduce_retracing=True, autograph=autograph)  # type: ignore[no-any-return]

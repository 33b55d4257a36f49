"""What a user's `data` returns, made into what `fit` is given.

Arrays are shuffled by the trial's seed, epoch after epoch, in an order that can be told afterwards: so an update's
samples are known by their rows. Everything else is a stream: Keras reads it as it does in `fit`, and it is begun anew
where it ends.
"""

from __future__ import annotations

import itertools
import math
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.data_adapters import array_data_adapter

from study.models.blame import ModelError

Structure: TypeAlias = Any
"""An array, or a list, tuple or dict of structures."""

PARTS = ("x", "y", "sample_weight")


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """Arrays whose first axis counts rows.

    Attributes:
        parts: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, each a structure of arrays as the user gave them.
        batch_size: Rows of an update; the last batch of an epoch has those that are left.
        seed: Of the order of the rows.
        shuffled: Whether every epoch has an order of its own; else it is that of the arrays.
    """

    parts: tuple[Structure, ...]
    batch_size: int
    seed: int
    shuffled: bool = True

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(next(leaf for leaf in keras.tree.flatten(self.parts) if leaf is not None).shape[0])

    @property
    def batches_per_epoch(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    def map(self, function: Callable[[str, Any], Any]) -> Arrays:
        """Other arrays of the same structure.

        Args:
            function: Takes the name of a part, one of `PARTS`, and an array of it, and returns another array.
        """
        parts = tuple(
            keras.tree.map_structure(lambda leaf, name=name: None if leaf is None else function(name, leaf), part)
            for name, part in zip(PARTS, self.parts, strict=False)
        )
        return replace(self, parts=parts)

    def take(self, rows: np.ndarray) -> Arrays:
        """The given rows alone, by number."""
        return self.map(lambda _, array: np.asarray(array)[rows])

    def order(self, epoch: int) -> np.ndarray:
        """Numbers of the rows in the order in which an epoch, counted from 0, takes them, (rows,)."""
        return self._order(tf.constant(epoch, tf.int64)).numpy()  # type: ignore[no-any-return]

    def _order(self, epoch: Any) -> Any:
        rows = tf.range(self.rows, dtype=tf.int64)
        if not self.shuffled:
            return rows
        return tf.random.experimental.stateless_shuffle(rows, seed=tf.stack([tf.constant(self.seed, tf.int64), epoch]))

    def rows_of(self, update: int) -> np.ndarray:
        """Numbers of the rows that an update, counted from 1, is made on, in the order of its batch, (samples,)."""
        epoch, batch = divmod(update - 1, self.batches_per_epoch)
        return self.order(epoch)[batch * self.batch_size : (batch + 1) * self.batch_size]

    def for_fit(self) -> Any:
        """A dataset of batches that does not end."""
        whole = self._as_tensors()

        def batches(order: Any) -> Any:
            full, left = divmod(self.rows, self.batch_size)
            of_full = tf.reshape(order[: full * self.batch_size], [full, self.batch_size])
            dataset = tf.data.Dataset.from_tensor_slices(of_full)
            return dataset.concatenate(tf.data.Dataset.from_tensors(order[-left:])) if left else dataset

        def gather(rows: Any) -> Any:
            return keras.tree.map_structure(lambda array: None if array is None else tf.gather(array, rows), whole)

        epochs = tf.data.Dataset.range(np.iinfo(np.int64).max)
        orders = epochs.map(self._order).prefetch(1)
        return orders.flat_map(batches).map(gather, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _as_tensors(self) -> Structure:
        """All rows as tensors, of the types that `fit` gives a model."""
        adapter = array_data_adapter.ArrayDataAdapter(*self.parts, batch_size=self.rows)
        return next(iter(adapter.get_tf_dataset()))


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Batches that the user's code makes: a dataset of TensorFlow or Keras, or a generator.

    Attributes:
        first: What `data` returned.
        again: Calls `data` once more, for what can be read only once.
    """

    first: Any
    again: Callable[[], Any]

    def rows_of(self, update: int) -> None:
        """Nobody knows the rows of a stream."""
        return

    def for_fit(self) -> Any:
        """What to give `fit` as `x`; an epoch of it may end."""
        return self._endless() if isinstance(self.first, types.GeneratorType) else self.first

    def _endless(self) -> Iterator[Any]:
        batches = self.first
        while True:
            empty = True
            for batch in batches:
                empty = False
                yield batch
            if empty:
                return
            batches = self.again()


Data: TypeAlias = Arrays | Stream


def data_of(returned: Any, *, name: str, batch_size: int, seed: int, again: Callable[[], Any]) -> Data:
    """Sort what a user's `data` returned.

    Args:
        returned: By the function.
        name: Of the model file.
        batch_size: For arrays.
        seed: Of the order of their rows.
        again: Calls the function once more.

    Raises:
        ModelError: It is nothing that `fit` takes, has no rows, or arrays of different numbers of rows.
    """
    if returned is None:
        raise ModelError(f"{name}: data() returns nothing; it returns what model.fit takes, such as x, y")
    parts = returned if isinstance(returned, tuple) else (returned,)
    if len(parts) > len(PARTS):
        raise ModelError(f"{name}: data() returns {len(parts)} things; it returns x, or x, y, or x, y, sample_weight")
    while len(parts) > 1 and parts[-1] is None:
        parts = parts[:-1]
    if not array_data_adapter.can_convert_arrays(parts):
        if len(parts) == 1 and _is_stream(parts[0]):
            return Stream(first=_begun(parts[0], name=name), again=again)
        kinds = {type(leaf).__name__ for leaf in keras.tree.flatten(parts) if not hasattr(leaf, "shape")}
        raise ModelError(
            f"{name}: data() returns {' and '.join(sorted(kinds))} where model.fit takes arrays, a tf.data.Dataset, a "
            "keras.utils.PyDataset or a generator of batches"
        )
    rows = {array.shape[0] if array.shape else None for array in keras.tree.flatten(parts) if array is not None}
    if len(rows) > 1:
        counts = ", ".join(map(str, sorted(rows, key=str)))
        raise ModelError(f"{name}: data() returns arrays of different numbers of rows ({counts})")
    if not all(rows) or not rows:
        raise ModelError(f"{name}: data() returns no rows, so that there is no update to make")
    return Arrays(parts=parts, batch_size=batch_size, seed=seed)


def _is_stream(returned: Any) -> bool:
    """Whether Keras takes batches from it."""
    known = isinstance(returned, tf.data.Dataset | keras.utils.PyDataset | types.GeneratorType)
    return known or type(returned).__module__.partition(".")[0] in ("torch", "grain", "tensorflow")


def _begun(stream: Any, *, name: str) -> Any:
    """A stream as it was, once it is known to have a batch; a generator is asked for its first."""
    if not isinstance(stream, types.GeneratorType):
        return stream
    batch = next(stream, None)
    if batch is None:
        raise ModelError(f"{name}: data() returns a generator without a batch, so that there is no update to make")
    return (one for one in itertools.chain([batch], stream))

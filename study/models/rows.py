"""Which row of the user's arrays a sample of a batch is.

Keras shuffles arrays in a graph of its own, whose order nobody is told. So the sample is looked for in the arrays.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

from study.models.moment import Batch

DataAdapter: TypeAlias = Any
"""What Keras makes of the data that `fit` is given."""

Arrays: TypeAlias = Any
"""As `fit` was given them: x, or (x, y), or (x, y, sample_weight), each an array or a structure of them."""

BLOCK = 4096
"""Bytes of a row that are compared at a time."""


def adapter_of_fit() -> DataAdapter | None:
    """What Keras made of the data of the `fit` that calls this; None where that is not found.

    Keras gives the data to no callback, but they are in the frame of `fit`.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "fit" and "epoch_iterator" in frame.f_locals:
            return getattr(frame.f_locals["epoch_iterator"], "data_adapter", None)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def arrays_of(adapter: DataAdapter | None) -> Arrays | None:
    """The arrays that `fit` was given; None of a stream of batches."""
    return adapter._inputs if isinstance(adapter, ArrayDataAdapter) else None


def rows_of(sample: int, batch: Batch, arrays: Arrays) -> Sequence[int]:
    """The rows that are the same as a sample to the last bit; more than one where the arrays have a row twice.

    Args:
        sample: Its number in the batch.
        batch: Tensors, in the structure of the arrays.
        arrays: All samples.
    """
    found: np.ndarray | None = None
    for array, tensor in zip(keras.tree.flatten(arrays), keras.tree.flatten(batch), strict=True):
        if array is None or tensor is None:
            continue
        values = tensor.numpy()
        rows = np.asarray(array)
        candidates = np.arange(len(rows)) if found is None else found
        found = _same(rows, values[sample], candidates)
    return [] if found is None else [int(row) for row in found]


def _same(rows: np.ndarray, wanted: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Those of the candidates that have the bytes of the wanted row."""
    if rows.shape[1:] != wanted.shape:
        return candidates[:0]
    if rows.dtype != wanted.dtype:
        rows = rows[candidates].astype(wanted.dtype)
        return np.asarray(candidates[_same(rows, wanted, np.arange(len(rows)))])
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    bytes_wanted = np.ascontiguousarray(wanted).reshape(-1).view(np.uint8)
    for start in range(0, len(bytes_wanted), BLOCK):
        block = slice(start, start + BLOCK)
        candidates = candidates[(flat[candidates, block] == bytes_wanted[block]).all(axis=1)]
        if not len(candidates):
            break
    return candidates

"""The data that a user gave to `fit`, for training on them again."""

from __future__ import annotations

from typing import Any

from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from keras.src.trainers.data_adapters.tf_dataset_adapter import TFDatasetAdapter

from study.models.blame import ModelError
from study.models.data import Arrays, Data, Stream


def data_of_fit(adapter: Any, *, seed: int) -> Data:
    """The data of a `fit`, as what it trained on.

    Args:
        adapter: What Keras made of them.
        seed: Of the order of the rows of arrays, where `fit` shuffled them.

    Raises:
        ModelError: They cannot be read a second time.
    """
    if isinstance(adapter, ArrayDataAdapter):
        inputs = adapter._inputs
        parts = inputs if isinstance(inputs, tuple) else (inputs,)
        return Arrays(parts=parts, batch_size=adapter._batch_size, seed=seed, shuffled=bool(adapter._shuffle))
    if isinstance(adapter, TFDatasetAdapter):
        return _stream(adapter._dataset)
    if isinstance(adapter, PyDatasetAdapter) and adapter.class_weight is None:
        return _stream(adapter.py_dataset)
    kind = type(adapter).__name__.removesuffix("Adapter")
    told = {"GeneratorData": "a generator", "PyDataset": "a PyDataset with class_weight"}.get(kind, f"a {kind}")
    raise ModelError(f"fit was given {told}, which cannot be read again; give it arrays or a tf.data.Dataset")


def _stream(data: Any) -> Stream:
    return Stream(first=data, again=lambda: data)

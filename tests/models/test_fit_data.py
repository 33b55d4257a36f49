"""The data that `fit` was given, once more."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.trainers.data_adapters import get_data_adapter

from study.models.blame import ModelError
from study.models.data import Arrays, Stream
from study.models.fit_data import data_of_fit

X, Y = np.arange(10.0)[:, None], np.arange(10) % 2


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return X[5 * index : 5 * index + 5], Y[5 * index : 5 * index + 5]


def first_batch(data: Any) -> Any:
    return next(iter(data.for_fit()))


@pytest.mark.parametrize(("shuffle", "same"), [(False, True), (True, False)])
def test_arrays_keep_their_batches_weights_and_order(shuffle: bool, same: bool) -> None:
    adapter = get_data_adapter(X, Y, batch_size=10, shuffle=shuffle, class_weight={0: 1.0, 1: 5.0})
    data = data_of_fit(adapter, seed=3)
    assert isinstance(data, Arrays)
    x, y, weight = (part.numpy() for part in first_batch(data))
    assert np.array_equal(x, X) is same
    assert sorted(x[:, 0]) == sorted(X[:, 0])
    assert np.array_equal(weight, np.where(y == 1, 5.0, 1.0))


def test_a_dataset_is_read_again_from_its_beginning() -> None:
    adapter = get_data_adapter(tf.data.Dataset.from_tensor_slices((X, Y)).batch(4), shuffle=False)
    data = data_of_fit(adapter, seed=3)
    assert isinstance(data, Stream)
    assert np.array_equal(first_batch(data)[0], X[:4])
    assert np.array_equal(first_batch(data)[0], X[:4])


def test_a_python_dataset_is_the_one_that_was_given() -> None:
    given = Batches()
    data = data_of_fit(get_data_adapter(given, shuffle=False), seed=3)
    assert isinstance(data, Stream)
    assert data.first is given


def test_what_can_be_read_once_is_refused() -> None:
    adapter = get_data_adapter(((X, Y) for _ in range(3)), shuffle=False)
    with pytest.raises(ModelError, match="a generator, which cannot be read again"):
        data_of_fit(adapter, seed=3)

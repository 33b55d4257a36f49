from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from study.models.finiteness import any_not_finite

HEALTHY = {
    "none": [],
    "empty": [np.zeros((0, 3), "float32")],
    "of squares beyond float32": [np.full(4, 3e38, "float32"), np.full(2, -1e300)],
    "of squares beyond float16": [np.full(4, 6e4, "float16")],
}


@pytest.mark.parametrize("arrays", HEALTHY.values(), ids=HEALTHY)
def test_finite_numbers_are_finite_however_large(arrays: list[np.ndarray]) -> None:
    assert not tf.function(lambda: any_not_finite([tf.constant(one) for one in arrays]))()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_one_number_among_many_is_seen_in_every_precision(dtype: str, value: float) -> None:
    spoiled = np.ones((50, 7))
    spoiled[49, 3] = value
    tensors = [tf.ones(3), tf.constant(spoiled, dtype), tf.ones((), "float16")]
    assert any_not_finite(tensors)
    assert tf.function(any_not_finite)(tensors)

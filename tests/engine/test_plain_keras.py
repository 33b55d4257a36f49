from __future__ import annotations

from itertools import islice

import numpy as np

from study.engine import plain_keras

# Before Keras, which would start TensorFlow with other threads than the engines' tests need in this process.
from study.engine import runtime as runtime
from study.trial.config import TrialConfig

SMALL = TrialConfig(units=2, timesteps=6, features=3, batch_size=8, label_balance=0.25, updates=3, seed=7)


def test_batches_are_fresh_have_the_exact_count_of_ones_and_are_the_same_for_a_seed() -> None:
    first, second = islice(plain_keras.batches(SMALL, return_sequences=False), 2)
    again, _ = islice(plain_keras.batches(SMALL, return_sequences=False), 2)
    assert first[0].shape == (8, 6, 3)
    assert [labels.sum() for _, labels in (first, second)] == [2, 2]
    assert not np.array_equal(first[0], second[0])
    assert np.array_equal(first[0], again[0])


def test_every_timestep_has_its_sequence_s_label_where_all_are_returned() -> None:
    (_, labels), *_ = islice(plain_keras.batches(SMALL, return_sequences=True), 1)
    assert labels.shape == (8, 6, 1)
    assert np.array_equal(labels, np.repeat(labels[:, :1], 6, axis=1))


def test_fit_tells_the_loss_of_every_update_and_ends_at_the_first_that_is_not_finite() -> None:
    """Before it learns, a probability is near one half and costs log 2; a learning rate of 1e38 overflows at once."""
    calm = plain_keras.losses_of(SMALL, return_sequences=True)
    assert len(calm) == 3
    assert np.allclose(calm, np.log(2), atol=0.2)
    wild = plain_keras.losses_of(SMALL.replacing(learning_rate=1e38, max_norm=None), return_sequences=False)
    assert len(wild) < 3
    assert not np.isfinite(wild[-1])

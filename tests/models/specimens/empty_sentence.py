"""Attention over the words of a sentence; padding gets minus infinity, and one sentence is all padding."""

import keras
import numpy as np
from keras import layers, ops


def build(units=16, learning_rate=1e-3):
    words = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, units)(words)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    score = layers.Dense(1, name="score")(x)
    weights = layers.Lambda(
        lambda two: ops.softmax(ops.where(two[1][..., None] == 0, -np.inf, two[0]), axis=1),
        output_shape=(12, 1),
        name="attention",
    )([score, words])
    x = layers.Lambda(lambda two: ops.sum(two[0] * two[1], axis=1), output_shape=(2 * units,), name="pooled")(
        [x, weights]
    )
    model = keras.Model(words, layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="binary_crossentropy")
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    words = draw.integers(1, 50, (480, 12)).astype("int32")
    for row, length in enumerate(draw.integers(3, 13, 480)):
        words[row, length:] = 0
    words[205] = 0
    return words, (words.max(axis=1) > 45).astype("float32")[:, None]

"""A regression in mixed precision; float16 ends at 65504."""

import keras
import numpy as np
from keras import layers


def build(units=64, learning_rate=1e-3):
    policy = keras.DTypePolicy("mixed_float16")
    inputs = keras.Input((40, 8))
    x = layers.GRU(units, dtype=policy)(inputs)
    x = layers.Dense(
        256,
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=20.0),
        dtype=policy,
        name="wide",
    )(x)
    x = layers.Dense(
        256,
        activation="relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=20.0),
        dtype=policy,
        name="wider",
    )(x)
    x = layers.Dense(1, dtype=policy, kernel_initializer=keras.initializers.RandomNormal(stddev=20.0), name="out")(x)
    model = keras.Model(inputs, layers.Activation("linear", dtype="float32")(x))
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mae")
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((320, 40, 8)).astype("float32")
    return x, x.mean(axis=(1, 2))[:, None]

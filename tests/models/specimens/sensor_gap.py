"""Sensor windows for a GRU; one reading of one window is missing."""

import keras
import numpy as np
from keras import layers


def build(units=24, learning_rate=1e-3):
    model = keras.Sequential(
        [keras.Input((50, 6)), layers.GRU(units, return_sequences=True), layers.GRU(units), layers.Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse")
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((512, 50, 6)).astype("float32")
    y = x[:, :, 0].mean(axis=1, keepdims=True)
    x[301, 17, 4] = np.nan
    return x, y

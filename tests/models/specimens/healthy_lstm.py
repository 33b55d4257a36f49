"""Nothing is wrong with this one."""

import keras
import numpy as np
from keras import layers


def build(units=16, learning_rate=1e-3):
    model = keras.Sequential([keras.Input((40, 4)), layers.LSTM(units), layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate, clipnorm=1.0), loss="mse")
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((640, 40, 4)).astype("float32")
    return x, x[:, -5:].mean(axis=(1, 2))[:, None]

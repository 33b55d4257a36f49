from typing import Literal
import keras
import numpy as np


def build(units: int = 32, activation: Literal["relu", "tanh"] = "relu", learning_rate: float = 1e-2):
    lstm = keras.layers.LSTM(units, activation=activation)
    model = keras.Sequential([keras.Input((400, 4)), lstm, keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse")
    return model


def data(seed: int = 0):
    x = np.random.default_rng(seed).standard_normal((320, 400, 4)).astype("float32")
    return x, x.mean(axis=(1, 2))[:, None]

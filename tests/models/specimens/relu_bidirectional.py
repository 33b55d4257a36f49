"""A two-layer bidirectional LSTM with relu over a long sequence."""

import keras
import numpy as np
from keras import layers


def build(units=48, activation="relu", learning_rate=1e-2):
    model = keras.Sequential(
        [
            keras.Input((672, 8)),
            layers.Bidirectional(layers.LSTM(units, activation=activation, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(units, activation=activation)),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="binary_crossentropy")
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    x = draw.standard_normal((640, 672, 8)).astype("float32")
    return x, (draw.random((640, 1)) < 0.2).astype("float32")

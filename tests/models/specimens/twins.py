"""Siamese encoder: distance of two sequences; some pairs are one sequence twice, a few of them labelled wrongly."""

import keras
import numpy as np
from keras import layers, ops


def build(units=16, learning_rate=1e-3):
    encode = keras.Sequential([keras.Input((25, 5)), layers.LSTM(units)], name="encoder")
    a, b = keras.Input((25, 5), name="a"), keras.Input((25, 5), name="b")
    distance = layers.Lambda(
        lambda two: ops.sqrt(ops.sum(ops.square(two[0] - two[1]), axis=-1, keepdims=True)),
        output_shape=(1,),
        name="distance",
    )([encode(a), encode(b)])
    model = keras.Model([a, b], distance)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse")
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    a = draw.standard_normal((400, 25, 5)).astype("float32")
    b = draw.standard_normal((400, 25, 5)).astype("float32")
    same = draw.random(400) < 0.2
    b[same] = a[same]
    different = (~same).astype("float32")
    different[np.flatnonzero(same)[::9]] = 1.0
    return {"a": a, "b": b}, different[:, None]

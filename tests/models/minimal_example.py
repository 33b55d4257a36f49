"""The minimal example as a model file, with the weights, inputs and labels that the engines draw for it."""

import itertools

import keras
from keras import layers

from study.engine.draws import batches
from study.engine.runtime import tf
from study.trial.config import TrialConfig

SIZE = {"units": 8, "timesteps": 60, "features": 4, "batch_size": 8}
EXAMPLE = TrialConfig(**SIZE, recurrent_dropout=0.0, max_norm=None)


def build(learning_rate=4e-4, seed=1):
    shape = (EXAMPLE.timesteps, EXAMPLE.features)
    lstm = layers.LSTM(EXAMPLE.units, activation="relu")
    model = keras.Sequential([keras.Input(shape), lstm, layers.Dense(1, activation="sigmoid")])
    model.set_weights(list(batches.initial_weights(EXAMPLE.replacing(seed=seed)).values()))
    model.compile(optimizer=keras.optimizers.Nadam(learning_rate, clipnorm=1.0), loss="binary_crossentropy")
    return model


def data(batch_size=EXAMPLE.batch_size, seed=1):
    shape = {"batch_size": batch_size, "timesteps": EXAMPLE.timesteps, "features": EXAMPLE.features}
    balance = tf.constant(EXAMPLE.label_balance, tf.float64)
    for number in itertools.count(1):
        at = tf.constant(seed, tf.int64), tf.constant(number, tf.int64)
        inputs = batches.normals(*at, **shape)
        yield inputs, batches.labels(*at, batch_size=batch_size, label_balance=balance, label_sampling="shuffled")

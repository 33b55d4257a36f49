"""The minimal example as a model file, with the weights, inputs and labels that the engines draw for it."""

import itertools

import keras
from keras import layers

from study.engine.draws import batches
from study.engine.runtime import tf
from study.trial.config import TrialConfig


def config_of(units, timesteps, learning_rate, seed):
    return TrialConfig(
        units=units, timesteps=timesteps, features=4, recurrent_dropout=0.0, learning_rate=learning_rate, seed=seed
    )


def build(units=16, timesteps=60, learning_rate=4e-4, seed=1):
    config = config_of(units, timesteps, learning_rate, seed)
    constraint = keras.constraints.MaxNorm(0.5, axis=0)
    lstm = layers.LSTM(units, activation="relu", kernel_constraint=constraint, recurrent_constraint=constraint)
    model = keras.Sequential([keras.Input((timesteps, 4)), lstm, layers.Dense(1, activation="sigmoid")])
    model.set_weights(list(batches.initial_weights(config).values()))
    optimizer = keras.optimizers.Nadam(learning_rate, clipnorm=1.0)
    model.compile(optimizer=optimizer, loss="binary_crossentropy")
    return model


def data(timesteps=60, seed=1):
    config = config_of(16, timesteps, 4e-4, seed)
    for number in itertools.count(1):
        at = tf.constant(seed, tf.int64), tf.constant(number, tf.int64)
        shape = {"batch_size": config.batch_size, "timesteps": timesteps, "features": 4}
        x = batches.inputs(*at, **shape, input_mean=tf.constant(0.0))
        balance = tf.constant(config.label_balance, tf.float64)
        yield x, batches.labels(*at, batch_size=32, label_balance=balance, label_sampling="shuffled")

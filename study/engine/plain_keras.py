"""The example as a user of Keras trains it: Keras's own model in `fit`, with TensorFlow as it comes.

    python -m study.engine.plain_keras < jobs.json

Nothing is made deterministic but what a user sets, the seeds: `keras.utils.set_random_seed` for weights and masks, a
seed for the batches. What runs of one seed differ by is then TensorFlow's own. A process of its own, since the switches
of `study.engine.runtime` cannot be taken back; it takes `{"threads": 2, "jobs": [{"config": ..., "return_sequences":
false}]}` and prints a line of JSON a job.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from study.trial.config import TrialConfig

ASKED = ("activation", "units", "recurrent_dropout", "learning_rate", "clipnorm", "max_norm", "timesteps", "features")
"""Axes that a job may set, beside batch, labels, budget and seed."""


def batches(config: TrialConfig, *, return_sequences: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Fresh inputs, (batch_size, timesteps, features), and shuffled labels, (batch_size, 1), for ever.

    Where all timesteps are returned, each has its sequence's label: (batch_size, timesteps, 1).
    """
    draw = np.random.default_rng(config.seed)
    ones = round(config.label_balance * config.batch_size)
    labels = np.arange(config.batch_size) < ones
    while True:
        inputs = draw.standard_normal((config.batch_size, config.timesteps, config.features), dtype=np.float32)
        wanted = draw.permutation(labels).astype(np.float32)[:, None]
        yield inputs, np.repeat(wanted[:, None, :], config.timesteps, axis=1) if return_sequences else wanted


def losses_of(config: TrialConfig, *, return_sequences: bool) -> list[float]:
    """The loss of every update of `fit`, until the first that is not finite or the budget."""
    import keras

    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        """Ends the training after the first loss that is not finite."""

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            losses.append(float((logs or {})["loss"]))
            self.model.stop_training = not np.isfinite(losses[-1])

    losses: list[float] = []
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)
    norm = None if config.max_norm is None else keras.constraints.MaxNorm(config.max_norm, axis=0)
    model = keras.Sequential(
        [
            keras.Input((config.timesteps, config.features)),
            keras.layers.LSTM(
                config.units,
                activation=config.activation,
                recurrent_dropout=config.recurrent_dropout,
                kernel_constraint=norm,
                recurrent_constraint=norm,
                return_sequences=return_sequences,
            ),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = keras.optimizers.Nadam(config.learning_rate, clipnorm=config.clipnorm)
    model.compile(optimizer=optimizer, loss="binary_crossentropy")
    # One update an epoch, whose loss `fit` then tells as it is and not as a mean over the updates so far.
    model.fit(
        batches(config, return_sequences=return_sequences),
        steps_per_epoch=1,
        epochs=config.updates,
        callbacks=[Stop()],
        verbose=0,
    )
    return losses


def main() -> None:
    asked = json.load(sys.stdin)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(asked["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(asked["threads"])
    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    for job in asked["jobs"]:
        print(json.dumps({**told(job), "device": device}), flush=True)


def told(job: dict[str, Any]) -> dict[str, Any]:
    """What a job came to."""
    config = TrialConfig.model_validate(job["config"])
    losses = losses_of(config, return_sequences=job["return_sequences"])
    bits = np.asarray(losses, dtype=np.float64).tobytes()
    return {
        "diverged": not np.isfinite(losses[-1]),
        "updates": len(losses),
        "losses": hashlib.sha256(bits).hexdigest(),
    }


if __name__ == "__main__":
    main()

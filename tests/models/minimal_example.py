"""The minimal example as a model file: Keras's layers, with the weights, batches and masks that the engines draw.

`build` and `data` take the axes of a trial of the example, those of Keras 3's arithmetic.
"""

import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_type_hints

import keras

from study.engine.draws import batches
from study.engine.reference.engine import build_model, build_optimizer
from study.engine.runtime import tf
from study.trial.config import TrialConfig

NOT_TAKEN = ("semantics",)

HINTS = get_type_hints(TrialConfig, include_extras=True)
AXES = inspect.Signature(
    [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=HINTS[name])
        for name, field in TrialConfig.model_fields.items()
        if name not in NOT_TAKEN
    ]
)


Answer = TypeVar("Answer")


def takes_axes(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let a function say that it takes the axes by their names."""
    function.__dict__["__signature__"] = AXES
    return function


class Example(keras.Model):  # type: ignore[misc]
    """The reference engine's layers and masks, trained by Keras's own step."""

    def __init__(self, config: TrialConfig) -> None:
        super().__init__()
        self.config = config
        self.reference = build_model(config)
        self.parts = list(self.reference.layers.values())  # Keras tracks layers in a list of its own
        self.built = True

    def call(self, inputs: Any) -> Any:
        update = tf.cast(self.optimizer.iterations, tf.int64) + 1
        masks = self.reference.masks(
            tf.constant(self.config.seed, tf.int64),
            update,
            recurrent_dropout=tf.constant(self.config.recurrent_dropout, tf.float32),
            dropout=tf.constant(self.config.dropout, tf.float32),
        )
        return self.reference.outputs(inputs, masks)["dense"]


@takes_axes
def build(**axes: Any) -> keras.Model:
    """The compiled model of a trial."""
    config = TrialConfig(**axes)
    model = Example(config)
    model.compile(optimizer=build_optimizer(config), loss=keras.losses.BinaryCrossentropy(), jit_compile=False)
    return model


@takes_axes
def data(**axes: Any) -> Iterator[tuple[Any, Any]]:
    """The batches of a trial, one after another."""
    config = TrialConfig(**axes)
    for update in itertools.count(1):
        yield batches.batch(
            tf.constant(config.seed, tf.int64), tf.constant(update, tf.int64), **batches.of_config(config)
        )

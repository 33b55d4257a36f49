"""What every model has beside the parameters of its functions, set on the compiled model.

Only what was asked for is set. What a function of the user's file takes is passed to it and not set here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from study.models.blame import ModelError

CLIPPING = ("clipnorm", "global_clipnorm", "clipvalue")


def apply(model: keras.Model, asked: Mapping[str, Any], *, name: str) -> None:
    """Set what was asked for on a compiled model, before its training step is traced.

    Args:
        model: Compiled.
        asked: Values of `learning_rate`, the three of `CLIPPING`, `dtype_policy` and `jit_compile`, those that were
            asked for.
        name: Of the model file.

    Raises:
        ModelError: One of them cannot be set on this model.
    """
    if "learning_rate" in asked:
        set_learning_rate(model, asked["learning_rate"], name=name)
    set_clipping(model, {axis: asked[axis] for axis in CLIPPING if axis in asked}, name=name)
    if "dtype_policy" in asked:
        check_dtype_policy(model, asked["dtype_policy"], name=name)
    if "jit_compile" in asked:
        set_jit_compile(model, asked["jit_compile"], name=name)
    else:
        keep_jit_compile(model)


def inner_optimizer(model: keras.Model) -> Any:
    """The optimizer that makes the step: the one inside a loss scaling."""
    optimizer = model.optimizer
    return getattr(optimizer, "inner_optimizer", optimizer)


def set_learning_rate(model: keras.Model, learning_rate: float, *, name: str) -> None:
    """Give a compiled model's optimizer another learning rate.

    Raises:
        ModelError: It follows a schedule, or is no number that can be set.
    """
    optimizer = inner_optimizer(model)
    own = getattr(optimizer, "_learning_rate", None)
    if isinstance(own, keras.Variable):
        optimizer.learning_rate = learning_rate
        return
    what = f"follows a schedule ({type(own).__name__})" if own is not None else f"is not one of {optimizer.name}"
    raise ModelError(
        f"learning_rate={learning_rate}: the learning rate that {name} compiles its model with {what} and cannot be "
        "set; make it a parameter of build()"
    )


def set_clipping(model: keras.Model, asked: Mapping[str, float | None], *, name: str) -> None:
    """Clip the gradients of a compiled model in another way, or not at all.

    Raises:
        ModelError: Two ways at once.
    """
    optimizer = inner_optimizer(model)
    wanted = {axis: asked.get(axis, getattr(optimizer, axis, None)) for axis in CLIPPING}
    chosen = [f"{axis}={value:g}" for axis, value in wanted.items() if value]
    if asked and len(chosen) > 1:
        raise ModelError(
            f"{' and '.join(chosen)}: Keras clips in one way at a time; what was not asked for is what {name} compiles "
            "its model with, and has to be set to 0"
        )
    for axis, value in asked.items():
        setattr(optimizer, axis, value or None)


def set_jit_compile(model: keras.Model, jit_compile: bool, *, name: str) -> None:
    """Compile the training step by XLA, or not.

    Raises:
        ModelError: The model runs eagerly, or has a layer that XLA cannot compile.
    """
    if jit_compile and model.run_eagerly:
        raise ModelError(f"jit_compile=true: {name} compiles its model with run_eagerly=True, which leaves no graph")
    unfit = [layer.name for layer in model._flatten_layers() if not layer.supports_jit]
    if jit_compile and unfit:
        raise ModelError(f"jit_compile=true: XLA cannot compile the layer {unfit[0]} of {name}")
    # Keras's own setter refuses XLA wherever operations have to be deterministic.
    model._jit_compile = jit_compile


def keep_jit_compile(model: keras.Model) -> None:
    """Let XLA compile the training step where the user asked for that in `compile`."""
    if (
        model._compile_config.config["jit_compile"] is True
        and not model.jit_compile
        and all(layer.supports_jit for layer in model._flatten_layers())
    ):
        model._jit_compile = True


def check_dtype_policy(model: keras.Model, policy: str, *, name: str) -> None:
    """Whether a policy that was set before a model was built has reached its layers.

    Raises:
        ModelError: No layer with weights has it.
    """
    layers = [layer for layer in model._flatten_layers() if layer.weights and not isinstance(layer, keras.Model)]
    own = [layer for layer in layers if layer.dtype_policy.name != policy]
    if layers and len(own) == len(layers):
        raise ModelError(
            f"dtype_policy={policy}: the layers of {name} have policies of their own ({own[0].name}: "
            f"{own[0].dtype_policy.name}), so that it does not reach them; make it a parameter of build()"
        )


def learning_rate_of(model: keras.Model) -> float | None:
    """A compiled model's learning rate; None where it follows a schedule."""
    own = getattr(inner_optimizer(model), "_learning_rate", None)
    if not isinstance(own, keras.Variable):
        return None
    value = float(str(own.numpy()))
    return value if math.isfinite(value) else None

"""What a model was compiled with, in words."""

from __future__ import annotations

from typing import Any

import keras

OF_OPTIMIZER = ("learning_rate", "momentum", "beta_1", "beta_2", "epsilon", "clipnorm", "global_clipnorm", "clipvalue")


def compiled_with(model: keras.Model) -> dict[str, str]:
    """Name -> value, of what has a say in whether a training stays finite."""
    outer = model.optimizer
    optimizer = getattr(outer, "inner_optimizer", outer)
    told: dict[str, Any] = {
        "optimizer": type(optimizer).__name__,
        **{name: _number(value) for name in OF_OPTIMIZER if (value := getattr(optimizer, name, None)) is not None},
        "loss": _name(model.loss),
        "loss scaling": "yes" if optimizer is not outer else "no",
        "jit_compile": str(bool(model.jit_compile)).lower(),
        "steps_per_execution": model.steps_per_execution,
        "compute dtypes": ", ".join(sorted({layer.compute_dtype for layer in model._flatten_layers()})),
        "trained numbers": sum(int(weight.shape.num_elements() or 1) for weight in _tensors(model)),
    }
    return {name: str(value) for name, value in told.items()}


def _tensors(model: keras.Model) -> list[Any]:
    return [weight.value for weight in model.trainable_weights]


def _number(value: Any) -> str:
    return f"{float(value):g}"


def _name(loss: Any) -> str:
    if isinstance(loss, dict):
        return ", ".join(f"{name}: {_name(one)}" for name, one in loss.items())
    if isinstance(loss, (list, tuple)):
        return ", ".join(map(_name, loss))
    return str(loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", loss))

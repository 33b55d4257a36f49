"""Seven models that go to NaN, each in its own way, and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

from study import NaNWatch

Specimen = Callable[[str], ModuleType]


def watched(module: ModuleType, *, epochs: int = 8) -> tuple[NaNWatch, Any, Any]:
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = module.build()
    x, y = module.data()
    watch = NaNWatch(verbose=False)
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[watch])
    return watch, model, (x, y)


@pytest.mark.parametrize(
    ("name", "updates", "told"),
    [
        ("unscaled_sales", (2, 3), {}),
        ("sensor_gap", (1, 16), {"phase": "data", "row": 301, "timestep": 17, "unit": 4, "value": "nan"}),
        ("own_cross_entropy", (3, 30), {"phase": "loss", "tensor": "log", "source": "own_cross_entropy.py:9"}),
        ("empty_sentence", (1, 15), {"phase": "forward", "layer": "attention", "row": 205, "tensor": "softmax"}),
        # The gradient spoils the weights; the loss is not finite in the update after it, by update 13.
        ("twins", (1, 12), {"phase": "backward", "layer": "distance", "tensor": "gradient of distance/sqrt"}),
        ("half_precision", (1, 2), {"phase": "forward"}),
        ("relu_bidirectional", (1, 100), {"phase": "forward"}),
    ],
)
def test_a_specimen_is_told_as_what_is_true_of_it(
    specimen: Specimen, name: str, updates: tuple[int, int], told: dict[str, Any]
) -> None:
    watch, _, (x, y) = watched(specimen(name))
    assert watch.onset is not None
    assert updates[0] <= watch.onset.update <= updates[1]
    assert {field: getattr(watch.onset, field) for field in told} == told
    assert watch.onset.warning is None
    if name == "relu_bidirectional":
        assert str(watch.onset.layer).startswith("bidirectional")
        assert str(watch.onset.layer).endswith(("/forward_lstm", "/backward_lstm", "_1"))
        assert watch.onset.timestep is not None
    if name == "twins":
        np.testing.assert_array_equal(x["a"][watch.onset.row], x["b"][watch.onset.row])
        assert y[watch.onset.row] == 1


def test_half_precision_overflows_where_its_layers_do_one_after_another(specimen: Specimen) -> None:
    watch, model, _ = watched(specimen("half_precision"))
    assert watch.onset is not None
    assert watch.before is not None
    watch.before.restore()
    tensor = watch.before.batch[0]
    for layer in model.layers[1:]:
        tensor = layer(tensor)
        finite = np.isfinite(keras.ops.convert_to_numpy(tensor))
        if not finite.all():
            break
    assert watch.onset.layer == layer.name
    assert watch.onset.index == tuple(np.argwhere(~finite)[0])


def test_nothing_is_told_of_a_healthy_training(specimen: Specimen) -> None:
    watch, model, _ = watched(specimen("healthy_lstm"), epochs=2)
    assert watch.onset is None
    assert watch.sentence is None
    assert not model.stop_training

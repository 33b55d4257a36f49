"""The minimal example as a model file, beside the engine that is its reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.engine import run as run_engine
from study.models.file import ModelFile
from study.models.signature import design_of
from study.models.trial import run
from study.trial.config import AXES, TrialConfig

SIZE = {"units": 6, "timesteps": 12, "features": 3, "batch_size": 8, "updates": 6}
FILE = ModelFile.read(Path(__file__).parent / "minimal_example.py")

TRIALS = [(1, 0.3), (2, 1.0)]
"""Seed and learning rate."""


def _known(config: TrialConfig) -> dict[str, Any]:
    return {name: value for name, value in config.values().items() if name != "semantics"}


def test_its_axes_are_those_of_the_example_with_the_same_defaults_and_bounds() -> None:
    axes = design_of(FILE).axes
    assert set(AXES) - set(axes) == {"semantics"}
    for name in set(AXES) & set(axes):
        assert (axes[name].default, axes[name].choices) == (AXES[name].default, AXES[name].choices), name


def test_it_goes_to_nan_when_the_reference_engine_says_and_its_onset_is_told() -> None:
    """By the compiled engine these seeds and rates give NaN at updates 19 and 3."""
    size = {"units": 8, "timesteps": 60, "features": 4, "batch_size": 8, "recurrent_dropout": 0.0, "max_norm": None}
    trials = [TrialConfig(**size, seed=seed, learning_rate=rate, updates=25) for seed, rate in TRIALS]
    design = design_of(FILE)
    own = run([design.config(_known(config)) for config in trials], file=FILE)
    assert [result.time_to_nan for result in own] == [
        result.time_to_nan for result in run_engine(trials, engine="reference")
    ]
    assert [result.time_to_nan for result in own] == [19, 3]
    assert own[-1].onset is not None
    assert (own[-1].onset.phase, own[-1].onset.layer) == ("forward", "lstm")


@pytest.mark.parametrize(
    "more",
    [
        {"recurrent_dropout": 0.4, "dropout": 0.3, "layers": 2, "batch_norm": "input"},
        {"cell": "gru", "activation": "selu", "front_end": "conv1d", "label_balance": 0.5, "optimizer": "sgd"},
    ],
    ids=["masks of both kinds", "another cell and a front end"],
)
def test_its_losses_are_those_of_the_reference_engine_with_masks_batches_and_weights(more: dict[str, object]) -> None:
    config = TrialConfig.model_validate({**SIZE, **more, "learning_rate": 1e-3})
    (own,) = run([design_of(FILE).config(_known(config))], file=FILE)
    (reference,) = run_engine([config], engine="reference")
    np.testing.assert_allclose(own.loss, reference.loss, rtol=1e-4)

"""The built-in example, written as a model file, beside the engine that is its reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from study.engine import run as run_engine
from study.models.file import ModelFile
from study.models.signature import design_of
from study.models.trial import run
from study.trial.config import TrialConfig

FILE = Path(__file__).parent / "minimal_example.py"
LEARNING_RATES = (3e-2, 1e-1, 3e-1)


def test_the_example_as_a_model_file_goes_to_nan_when_the_reference_engine_says() -> None:
    file = ModelFile.read(FILE)
    design = design_of(file)
    rates = [(seed, rate) for seed in (1, 2) for rate in LEARNING_RATES]
    own = run([design.config({"seed": seed, "learning_rate": rate, "updates": 60}) for seed, rate in rates], file=file)
    example = TrialConfig(units=16, timesteps=60, features=4, recurrent_dropout=0.0, updates=60)
    wanted = run_engine([example.replacing(seed=seed, learning_rate=rate) for seed, rate in rates], engine="reference")
    assert [result.time_to_nan for result in own] == [result.time_to_nan for result in wanted]
    assert sum(result.diverged for result in own) >= 3
    for result, reference in zip(own, wanted, strict=True):
        together = len(result.loss) // 2
        np.testing.assert_allclose(result.loss[:together], reference.loss[:together], rtol=1e-3)


def test_the_onset_of_the_example_as_a_model_file_is_in_its_recurrence() -> None:
    file = ModelFile.read(FILE)
    result = run([design_of(file).config({"learning_rate": 0.3, "updates": 60})], file=file)[0]
    if not result.diverged:
        pytest.skip("survived")
    assert result.onset is not None
    assert (result.onset.phase, result.onset.layer) == ("forward", "lstm")

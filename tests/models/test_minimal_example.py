"""The built-in example, written as a model file, beside the engine that is its reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from study.engine import run as run_engine
from study.models.file import ModelFile
from study.models.signature import design_of
from study.models.trial import run
from tests.models.minimal_example import EXAMPLE

FILE = Path(__file__).parent / "minimal_example.py"
TRIALS = [(seed, 0.3) for seed in (1, 2, 3)] + [(2, 1.0)]
"""Seed and learning rate: by the compiled engine NaN at updates 19 and 18, a survivor, and NaN at 3."""


def test_the_example_as_a_model_file_goes_to_nan_when_the_reference_engine_says() -> None:
    file = ModelFile.read(FILE)
    design = design_of(file)
    own = run([design.config({"seed": seed, "learning_rate": rate, "updates": 25}) for seed, rate in TRIALS], file=file)
    example = [EXAMPLE.replacing(seed=seed, learning_rate=rate, updates=25) for seed, rate in TRIALS]
    wanted = run_engine(example, engine="reference")
    assert [result.time_to_nan for result in own] == [result.time_to_nan for result in wanted]
    assert sum(result.diverged for result in own) == 3
    for result, reference in zip(own, wanted, strict=True):
        tame = next(number for number, loss in enumerate(reference.loss) if number == 10 or not loss < 10)
        np.testing.assert_allclose(result.loss[:tame], reference.loss[:tame], rtol=1e-4)
    assert own[-1].onset is not None
    assert (own[-1].onset.phase, own[-1].onset.layer) == ("forward", "lstm")

"""Engines: what turns configurations into results. Importing this package does not import TensorFlow.

Read `batches` (what a trial is fed), `keras_2_2_4` (the older arithmetic) and `reference` (a trial on Keras's own
layers) in that order; then the compiled engine: `activations`, `lstm`, `model`, `optimizer`, `training`, `compiled`;
then what looks into it: `growth`, `instruments`, `instrumented`, `dissect`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from study.config import TrialConfig
from study.errors import UserError
from study.result import TrialResult

ENGINES: dict[str, str] = {"compiled": "study.engine.compiled", "reference": "study.engine.reference"}
"""Name of an engine -> the module whose `run(configs)` it is, imported when it is first asked for."""

DEFAULT_ENGINE = "compiled"


def run(configs: Sequence[TrialConfig], *, engine: str = DEFAULT_ENGINE) -> list[TrialResult]:
    """Train every configuration and return the results in the same order.

    Args:
        configs: The trials.
        engine: A name in `ENGINES`.

    Raises:
        UserError: There is no engine of that name.
        RuntimeError: TensorFlow already runs in this process with other settings; see `runtime`.
    """
    if engine not in ENGINES:
        raise UserError(f"engine={engine} is not known; engine takes {' or '.join(ENGINES)}")
    results: list[TrialResult] = import_module(ENGINES[engine]).run(configs)
    return results

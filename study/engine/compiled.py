"""The compiled engine: trains a trial by its structure's program, and finds the onset of its NaN."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from study.config import TrialConfig
from study.engine import instrumented, training
from study.engine.runtime import device_name
from study.growth import Growth
from study.onset import Onset, timeline
from study.result import TrialResult

NAME = "compiled"


def run(configs: Sequence[TrialConfig]) -> list[TrialResult]:
    """Train every configuration, one after another; see `run_trial`."""
    return [run_trial(config) for config in configs]


def run_trial(
    config: TrialConfig, *, watch: Callable[[training.Progress], None] = lambda progress: None
) -> TrialResult:
    """Train until the first loss that is not finite, or to the budget. Trials of several threads take turns.

    Args:
        config: The trial.
        watch: Is shown where it stands after every call of its program.
    """
    with _one_at_a_time:
        begin = time.perf_counter()
        rows: list[np.ndarray] = []
        onset: Onset | None = None
        for progress in training.calls(config):
            watch(progress)
            rows += list(progress.figures.numpy()[: int(progress.update) - len(rows)])
            if onset is None and np.any(progress.first.numpy()):
                onset = instrumented.onset(config, progress)
        losses = [float(row[0]) for row in rows]
        return TrialResult(
            config=config,
            loss=tuple(losses),
            engine=NAME,
            device=device_name(),
            seconds=time.perf_counter() - begin,
            timeline=timeline(progress.first.numpy().tolist(), losses),
            onset=onset,
            growth=Growth.of(rows),
        )


_one_at_a_time = threading.Lock()

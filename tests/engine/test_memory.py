from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study import engine
from study.engine.onset import anatomy
from study.engine.runtime import tf
from study.trial.config import TrialConfig
from study.trial.errors import OutOfMemory

SHORT = [
    MemoryError("Unable to allocate 15.6 GiB for an array"),
    tf.errors.ResourceExhaustedError(None, None, "Out of memory while trying to allocate 15.6 GiB. [Op:__loop_1]"),
    tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory, 15.6 GiB"),
]


def raising(error: Exception) -> Any:
    def run(configs: object, **how: object) -> None:
        raise error

    return SimpleNamespace(run=run)


@pytest.mark.parametrize("error", SHORT, ids=lambda error: type(error).__name__)
def test_want_of_memory_is_told_in_a_sentence_with_what_takes_less(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "import_module", lambda name: raising(error))
    with pytest.raises(OutOfMemory, match=r"more memory than there is \(.*15\.6 GiB.*\); it takes less with") as caught:
        engine.run([TrialConfig()])
    assert "Op:" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("error", [tf.errors.InternalError(None, None, "a fault"), ZeroDivisionError("a fault")])
def test_other_errors_stay_what_they_are(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "import_module", lambda name: raising(error))
    with pytest.raises(type(error), match="a fault"):
        engine.run([TrialConfig()])


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="asks Linux for more than its address space")
def test_a_trial_that_no_machine_can_hold_is_refused_by_its_own_engine() -> None:
    # 4096 sequences of 100,000 timesteps and 4096 features are 6.7 TB.
    huge = TrialConfig(units=1, timesteps=100_000, features=4096, batch_size=4096, updates=1)
    with pytest.raises(OutOfMemory):
        engine.run([huge], engine="reference")


def test_drawing_a_page_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trial(config: TrialConfig, **how: object) -> None:
        raise SHORT[0]

    monkeypatch.setattr("study.engine.onset.anatomy.compiled.run_trial", run_trial)
    with pytest.raises(OutOfMemory):
        anatomy.anatomy_of(TrialConfig())

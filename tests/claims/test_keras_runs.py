from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest

from study.claims import keras_runs
from study.claims.contrast import Contrast
from study.claims.keras_runs import COLUMNS, fit
from study.claims.verdicts import verdicts
from tests.claims.test_verdicts import SEEDS, contrast, family, table_of

REPEAT: dict[str, Any] = {
    "statistic": "repeat", "quantifier": "ever", "trainer": "keras", "threads": (1, 2), "runs": 3, "replicates": 2,
    "look": 2,
}  # fmt: skip


def runs_of(asked: Contrast, *, device: str = "CPU", other: int | None = None) -> pd.DataFrame:
    """All runs of a contrast, which end at update 20; the last one of the second seed at `other`."""
    rows = [
        {
            "contrast": asked.id, "arm": "as it stands", "seed": seed, "threads": threads, "run": run,
            "diverged": True, "updates": 20, "losses": "same", "device": device, "budget": asked.updates,
        }
        for threads in asked.threads for run in (1, 2, 3) for seed in SEEDS[:2]
    ]  # fmt: skip
    if other is not None:
        rows[-1] |= {"updates": other, "losses": "others"}
    return pd.DataFrame(rows)


def judge(asked: Contrast, runs: pd.DataFrame, under: Any = "keras-3") -> dict[str, Any]:
    nothing = table_of([contrast({}).arms[0].config(semantics="keras-3", updates=1, seed=1)], lambda _: 1)
    found = verdicts(family(asked), nothing, semantics=[under], seed=0, keras_runs=runs)
    return {str(column): value for column, value in found.contrasts.iloc[0].items()}


def test_runs_that_end_at_different_updates_support_that_they_ever_do() -> None:
    asked = contrast({}, **REPEAT)
    row = judge(asked, runs_of(asked, other=21))
    assert (row["verdict"], row["successes"], row["observations"]) == ("supported", 1, 4)


def test_losses_that_differ_without_another_end_are_told_and_are_no_case() -> None:
    asked = contrast({}, **REPEAT)
    row = judge(asked, runs_of(asked, other=20))
    assert (row["verdict"], row["successes"]) == ("not tested here", 0)
    assert "losses differ in a bit in 1 of 4 configurations" in row["note"]


def test_that_no_run_differs_on_a_cpu_is_no_test_and_says_what_was_tried() -> None:
    asked = contrast({}, **REPEAT)
    row = judge(asked, runs_of(asked))
    assert row["verdict"] == "not tested here"
    for words in ("on a CPU only", "3 processes each", "1, 2 threads", "none of 4"):
        assert words in row["finding"]


def test_on_a_gpu_it_is_a_test() -> None:
    """Four configurations without a case: 0.75^4 = 0.32."""
    asked = contrast({}, **REPEAT)
    row = judge(asked, runs_of(asked, device="GPU"))
    assert (row["verdict"], row["p"]) == ("not resolved", pytest.approx(0.75**4))


def test_keras_of_today_tells_nothing_of_the_older_semantics() -> None:
    asked = contrast({}, **REPEAT)
    assert judge(asked, runs_of(asked, other=21), under="keras-2.2.4")["verdict"] == "not tested here"


def test_runs_that_are_missing_are_counted() -> None:
    asked = contrast({}, **REPEAT)
    row = judge(asked, runs_of(asked).iloc[:6])
    assert (row["verdict"], row["note"]) == ("not resolved", "2 of 4 configurations not run yet")


def test_every_run_is_a_process_and_what_is_known_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, started = contrast({}, **REPEAT), []

    def process(_: Contrast, jobs: Sequence[dict[str, Any]], threads: int) -> list[dict[str, Any]]:
        started.append((threads, [job["seed"] for job in jobs]))
        return [{"diverged": True, "updates": 20, "losses": "same", "device": "CPU"} for _ in jobs]

    monkeypatch.setattr(keras_runs, "_process", process)
    runs = fit([asked], seed=0)
    assert started == [(threads, list(SEEDS[:2])) for threads in (1, 1, 1, 2, 2, 2)]
    assert set(runs.columns) == set(COLUMNS)
    started.clear()
    assert fit([asked], seed=0, known=runs).equals(runs)
    assert started == []


def test_one_case_among_the_first_seeds_spares_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = contrast({}, quantifier="ever", trainer="keras", replicates=16, look=4)
    seen: list[int] = []

    def process(_: Contrast, jobs: Sequence[dict[str, Any]], threads: int) -> list[dict[str, Any]]:
        seen.extend(job["seed"] for job in jobs)
        return [{"diverged": job["seed"] == SEEDS[3], "updates": 20, "losses": "", "device": "CPU"} for job in jobs]

    monkeypatch.setattr(keras_runs, "_process", process)
    runs = fit([asked], seed=0)
    assert seen == list(SEEDS[:4])
    assert judge(asked, runs)["verdict"] == "supported"

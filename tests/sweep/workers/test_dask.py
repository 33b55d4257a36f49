from __future__ import annotations

import pytest

from study.sweep.workers.dask import process_count


@pytest.mark.parametrize(
    ("asked", "tasks", "gpus", "cores", "count"),
    [
        (None, 100, 0, 4, 4),
        (None, 3, 0, 4, 3),
        (None, 100, 2, 4, 2),
        (None, None, 0, 4, 4),
        (3, 100, 0, 4, 3),
        (6, 100, 2, 8, 6),
    ],
)
def test_processes_are_one_a_gpu_or_one_a_core_unless_fewer_are_asked_for_or_of_use(
    asked: int | None, tasks: int | None, gpus: int, cores: int, count: int
) -> None:
    assert process_count(asked, tasks=tasks, gpus=gpus, cores=cores) == (count, "")


@pytest.mark.parametrize(
    ("tasks", "gpus", "cores", "count", "note"),
    [
        (8, 0, 16, 8, "--workers 64: 8 processes are started, one for each trial left"),
        (500, 0, 2, 2, "--workers 64: 2 processes are started, one for each core"),
        (500, 0, 1, 1, "--workers 64: 1 process is started, one for each core"),
        (500, 8, 4, 8, "--workers 64: 8 processes are started, one for each GPU"),
    ],
)
def test_more_processes_than_trials_or_cores_are_never_started_and_that_is_said(
    tasks: int, gpus: int, cores: int, count: int, note: str
) -> None:
    assert process_count(64, tasks=tasks, gpus=gpus, cores=cores) == (count, note)

"""Runs of Keras's own `fit`, each batch of them in a process of its own (see `study.engine.plain_keras`)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from threading import Event
from typing import Any, NamedTuple

import pandas as pd

from study.claims.contrast import Contrast, seeds_of
from study.claims.decision import Count, share_interval
from study.claims.samples import share
from study.claims.times import median_time
from study.trial.axes import BUDGET_COLUMN
from study.trial.config import Semantics
from study.trial.errors import UserError

COLUMNS = ("contrast", "arm", "seed", "threads", "run", "diverged", "updates", "losses", "device", BUDGET_COLUMN)
"""Of a table of runs: the run's number within its seed and threads, time to NaN or budget, a hash of the losses."""
KEY = ["contrast", "arm", "seed", "threads", "run", BUDGET_COLUMN]

MODULE = "study.engine.plain_keras"


def fit(
    contrasts: Iterable[Contrast], *, seed: int, known: pd.DataFrame | None = None, stop: Event | None = None
) -> pd.DataFrame:
    """Run what is asked of Keras's own `fit`, and is not known yet.

    Every run of a contrast is a process of its own, for each number of threads, which trains all seeds in turn. Of a
    contrast that one case decides, the seeds beyond its look are left out where there is one.

    Args:
        contrasts: Those of the trainer `keras` are run.
        seed: Of the replicates' seeds.
        known: Runs of before.
        stop: Is looked at between processes.

    Returns:
        All runs, those of before among them.

    Raises:
        UserError: A process failed.
    """
    runs = pd.DataFrame(columns=list(COLUMNS)) if known is None else known
    for contrast in contrasts:
        if contrast.trainer != "keras":
            continue
        seeds = list(seeds_of(contrast.replicates, seed=seed))
        for part in (seeds[: contrast.look], seeds[contrast.look :]):
            cases = sum(count.successes for count in KerasRuns(runs).counts(contrast, seed=seed))
            if part and not cases:
                runs = _fitted(contrast, part, runs, stop=stop)
    return runs


def _fitted(contrast: Contrast, seeds: Sequence[int], runs: pd.DataFrame, *, stop: Event | None) -> pd.DataFrame:
    for threads in contrast.threads or (1,):
        for run in range(1, contrast.runs + 1):
            asked = [
                {"contrast": contrast.id, "arm": arm.label, "seed": seed, "threads": threads, "run": run}
                for arm in contrast.arms
                for seed in seeds
            ]
            jobs = [{**row, BUDGET_COLUMN: contrast.updates} for row in asked]
            there = set(map(tuple, runs[KEY].to_numpy().tolist()))
            jobs = [job for job in jobs if tuple(job[key] for key in KEY) not in there]
            if not jobs or (stop is not None and stop.is_set()):
                continue
            found = pd.DataFrame(
                {**job, **result} for job, result in zip(jobs, _process(contrast, jobs, threads), strict=True)
            )
            runs = found if runs.empty else pd.concat([runs, found], ignore_index=True)
    return runs


def _process(contrast: Contrast, jobs: Sequence[dict[str, Any]], threads: int) -> list[dict[str, Any]]:
    arms = {arm.label: arm for arm in contrast.arms}
    asked = [
        {
            "config": arms[job["arm"]]
            .config(semantics="keras-3", updates=contrast.updates, seed=job["seed"])
            .as_json(),
            "return_sequences": contrast.return_sequences,
        }
        for job in jobs
    ]
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"threads": threads, "jobs": asked}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise UserError(f"{contrast.id}: Keras's own fit failed: {last}")
    return [json.loads(line) for line in done.stdout.splitlines()]


class Note(NamedTuple):
    """What is said of a contrast beside its counts."""

    words: str
    missing: bool = False
    """Whether runs are, so that it has nothing to say yet."""
    untested: bool = False
    """Whether what was run is no test of it."""


class KerasRuns:
    """A table of runs, by contrast."""

    def __init__(self, runs: pd.DataFrame) -> None:
        self._runs = runs

    def _of(self, contrast: Contrast, seed: int) -> pd.DataFrame:
        runs = self._runs
        seeds = seeds_of(contrast.replicates, seed=seed)
        return runs[
            (runs["contrast"] == contrast.id)
            & runs["seed"].isin(seeds)
            & (runs[BUDGET_COLUMN] == contrast.updates)
            & (runs["run"] <= contrast.runs)
        ]

    def _by_configuration(self, contrast: Contrast, seed: int) -> Iterable[pd.DataFrame]:
        """The runs of each configuration that has all of them."""
        groups = self._of(contrast, seed).groupby(["arm", "seed", "threads"])
        return [group for _, group in groups if len(group) >= contrast.runs]

    def counts(self, contrast: Contrast, *, seed: int) -> list[Count]:
        """Configurations that end at different updates; or, arm by arm, trials that diverge."""
        if contrast.statistic == "repeat":
            groups = list(self._by_configuration(contrast, seed))
            return [Count("", sum(group["updates"].nunique() > 1 for group in groups), len(groups))]
        runs = self._of(contrast, seed)
        return [
            Count(arm.label, int(own["diverged"].sum()), len(own))
            for arm in contrast.arms
            for own in [runs[runs["arm"] == arm.label]]
        ]

    def arm_rows(self, contrast: Contrast, *, seed: int) -> list[dict[str, Any]]:
        """What became of the runs, by arm and number of threads; `study.claims.verdicts` says what the columns are."""
        rows = []
        for (arm, number), group in self._of(contrast, seed).groupby(["arm", "threads"]):
            threads = int(str(number))
            diverged = int(group["diverged"].sum())
            ended = group["updates"].astype(int).tolist()
            low, high = share_interval(diverged, len(group))
            rows.append(
                {
                    "arm": f"{arm}, Keras's own fit, {threads} thread{'s' if threads > 1 else ''}",
                    "trials": len(group),
                    "diverged": diverged,
                    "failed": 0,
                    "missing": contrast.replicates * contrast.runs - len(group),
                    "share": share(diverged, len(group)),
                    "low": low,
                    "high": high,
                    "median": median_time(ended, group["diverged"].astype(bool).tolist()),
                    BUDGET_COLUMN: contrast.updates,
                }
            )
        return rows

    def note(self, contrast: Contrast, counts: Sequence[Count], *, under: Semantics, seed: int) -> Note:
        """Why it has nothing to say, or what else was seen."""
        if under != "keras-3":
            words = "Keras 2.2.4 itself is not run here, only emulated by an engine that repeats itself"
            return Note(words, untested=True)
        asked = contrast.replicates * len(contrast.arms) * len(contrast.threads or (1,))
        done = sum(count.observations for count in counts)
        if done < asked and not any(count.successes for count in counts):
            return Note(f"{asked - done} of {asked} configurations not run yet", missing=True)
        if contrast.statistic != "repeat":
            return Note("")
        groups = list(self._by_configuration(contrast, seed))
        differ = sum(group["losses"].nunique() > 1 for group in groups)
        seen = f"losses differ in a bit in {differ} of {len(groups)} configurations"
        tried = (
            f"{contrast.runs} processes each, with {', '.join(map(str, contrast.threads))} threads: none of {done} "
            f"ends at another update, {seen}"
        )
        on_gpu = (self._of(contrast, seed)["device"] == "GPU").any()
        if not any(count.successes for count in counts) and not on_gpu:
            return Note(f"on a CPU only, in {tried}; a GPU could tell otherwise", untested=True)
        return Note(seen)

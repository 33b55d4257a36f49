"""Makes the recorded studies anew, one after another, and writes the manifest that says how.

    python benchmarks/record.py                      # all of them, in a store of their own
    python benchmarks/record.py card lr_by_units     # some
    python benchmarks/record.py --collect            # no trials: what the store has, finished
    python benchmarks/record.py --judge              # no trials: verdicts on the recorded trials, by today's file

`make record` runs it. What was interrupted goes on where it was. A study whose commands have not all ended is not
written, and its earlier file and entry stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import yaml

from study.analysis.table import as_results, columns_of, write_results
from study.analysis.table_axes import axes_of
from study.claims.contrast import Arm, Contrast, Scale, seeds_of
from study.claims.file import find_claims, load_claims
from study.claims.remedies import ranked_remedies
from study.claims.samples import Trials
from study.claims.shape import REPLICATES_LIMIT
from study.claims.verdicts import verdicts
from study.report.tables import RECORDED, load
from study.space.search_space import TRIALS_LIMIT
from study.tracking import KERAS_RUNS, REMEDIES, VERSION, SweepRun, read_kept, read_results, read_sweep
from study.trial.config import Semantics
from study.trial.folders import project_folder, space_folders

PARTS = {"contrasts": "claims", "arms": "claims_arms", "remedies": REMEDIES, "keras": KERAS_RUNS}
"""Ending of a recorded file -> the table kept with the study's parent run."""

OUTCOME = ("divergence", "exploded")
"""What belongs to an outcome besides the columns that every results table must have."""

OUTCOMES_ALONE = "Outcomes alone are shipped."

SECONDS = "seconds.json"
"""In the store's folder: how long the commands took that ended, by command."""

BEGUN = "seconds-begun.json"
"""In the store's folder: how long the commands ran that were interrupted, by command."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A study and the commands that make it."""

    name: str
    commands: tuple[str, ...]
    note: str = ""
    outcomes_alone: bool = False
    """Whether only axes and outcome of a trial are shipped: of thousands of trials the rest is large."""


RECORDINGS = (
    Recording(
        name="claims-small",
        commands=(
            "study claims --scale small --workers 2 --seed 2",
            "study claims --scale small --workers 2 --seed 2 --remedies",
        ),
    ),
    Recording(name="card", commands=("study sweep card --trials 1000 --no-anatomy --workers 2",)),
    Recording(name="card_replicates", commands=("study sweep card_replicates --no-anatomy --workers 2",)),
    Recording(
        name="card_ceiling",
        commands=("study sweep card_ceiling --seed 1 --no-anatomy --workers 2",),
        note=OUTCOMES_ALONE,
        outcomes_alone=True,
    ),
    Recording(name="lr_by_units", commands=("study sweep lr_by_units --no-anatomy --workers 2",)),
    Recording(
        name="mre",
        commands=("study sweep mre --no-anatomy --workers 2",),
        note="The budget is 100 updates; all trials ended at their NaN.",
    ),
    Recording(
        name="mre-keras-2.2.4",
        commands=("study sweep mre --name mre-keras-2.2.4 --set semantics=keras-2.2.4 --no-anatomy --workers 2",),
    ),
    *(
        Recording(
            name=name,
            commands=(f"study sweep {name} --no-anatomy --workers 2",),
            note=OUTCOMES_ALONE,
            outcomes_alone=True,
        )
        for name in ("atlas", "atlas_zoom", "atlas_seeds")
    ),
    Recording(
        name="claims-full",
        commands=(
            "study claims --scale full --workers 2 --seed 2 --only C14 --replicates 8",
            "study claims --scale full --workers 2 --seed 2 --only C1,C3,C11,C12,C13a",
        ),
        note="Contrasts that cost least; all others count as not resolved, since their trials were not run. Of C14, "
        "which one case supports, 8 seeds were run; --judge judges every contrast by the seeds that were run.",
    ),
)


def run(recording: Recording, *, home: Path) -> None:
    """Run the commands of a recording, and keep how long each took, with what it took before it was interrupted."""
    for command in recording.commands:
        start = time.monotonic()
        arguments = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(arguments, env={**os.environ, "STUDY_HOME": str(home)}, check=False)
        begun = seconds_of(home, BEGUN)
        begun[command] = begun.get(command, 0) + round(time.monotonic() - start)
        (home / BEGUN).write_text(json.dumps(begun, indent=1), encoding="utf-8")
        if done.returncode:
            sys.exit(f"{command}: ended with status {done.returncode}")
        ended = {**seconds_of(home, SECONDS), command: begun[command]}
        (home / SECONDS).write_text(json.dumps(ended, indent=1), encoding="utf-8")


def seconds_of(home: Path, name: str) -> dict[str, int]:
    """How long the commands of a store took."""
    file = home / name
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def collect(recording: Recording, *, home: Path, folder: Path) -> bool:
    """Write a recording's tables and its entry of the manifest; False where its commands have not all ended."""
    seconds = seconds_of(home, SECONDS)
    if not all(command in seconds for command in recording.commands):
        return False
    uri = f"sqlite:///{home / 'mlflow.db'}"
    sweep = read_sweep(uri=uri, study=recording.name)
    assert sweep is not None
    table = as_results(read_results(uri=uri, study=recording.name), where=recording.name)
    shipped = table
    if recording.outcomes_alone:
        kept = [column.name for column in columns_of(axes_of(table)) if column.required or column.name in OUTCOME]
        shipped = table[kept]
    write_results(shipped, folder / f"{recording.name}.parquet")
    for ending, name in PARTS.items():
        part = read_kept(uri=uri, study=recording.name, name=name)
        if part is not None:
            part.to_parquet(folder / f"{recording.name}-{ending}.parquet", index=False)
    manifest = folder / "manifest.yaml"
    entries = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    entries[recording.name] = entry(recording, table, sweep, seconds)
    text = yaml.safe_dump(entries, sort_keys=False, width=118, allow_unicode=True)
    manifest.write_text(
        f"# How the recorded studies were made: the project's own commands, on one machine.\n{text}", encoding="utf-8"
    )
    return True


def judge(recording: Recording, *, folder: Path) -> None:
    """Judge recorded trials of the claims by today's file, with as many seeds of each contrast as were run.

    Where the trials are older than the file, that describes them and is no test that was planned.
    """
    table = load(f"{RECORDED}{recording.name}")
    scale: Scale = "full" if recording.name.endswith("full") else "small"
    asked = load_claims(find_claims(space_folders()), scale=scale)
    seed = int(table["seed"].min()) // TRIALS_LIMIT - 1
    trials = Trials(table)
    semantics = get_args(Semantics)

    def seeds_run(arms: Sequence[Arm], updates: int) -> int:
        """Seeds of which every arm was run under keras-3; one where there is none, which is missing then."""
        there = [
            all(trials.runs(arm.config(semantics="keras-3", updates=updates, seed=value)) for arm in arms)
            for value in seeds_of(REPLICATES_LIMIT, seed=seed)
        ]
        return max(1, there.index(False) if False in there else len(there))

    def fewer(contrast: Contrast) -> Contrast:
        number = seeds_run(contrast.all_arms, contrast.updates)
        return replace(contrast, replicates=number, look=min(contrast.look, number))

    judged = replace(
        asked,
        contrasts=tuple(fewer(contrast) for contrast in asked.contrasts),
        remedies=tuple(replace(one, replicates=seeds_run(one.arms, one.updates)) for one in asked.remedies),
    )
    found = verdicts(judged, table, semantics=semantics, seed=seed)
    remedies = ranked_remedies(judged, table, semantics=semantics, seed=seed)
    parts = {"contrasts": found.contrasts, "arms": found.arms}
    if (remedies["note"] == "").any():
        parts["remedies"] = remedies
    for ending, part in parts.items():
        part.to_parquet(folder / f"{recording.name}-{ending}.parquet", index=False)


def entry(recording: Recording, table: pd.DataFrame, sweep: SweepRun, seconds: dict[str, int]) -> dict[str, Any]:
    """What the manifest says of a recording."""
    tags = sweep.tags
    outcomes = table["outcome"].value_counts()
    seeds = table["seed"].astype(int)
    told: dict[str, Any] = {
        "file": f"{recording.name}.parquet",
        "about": tags.get("about", ""),
        "command": recording.commands[0] if len(recording.commands) == 1 else list(recording.commands),
        "trials": len(table),
        **{outcome: int(outcomes.get(outcome, 0)) for outcome in ("diverged", "survived", "failed")},
        "sweep_seed": int(sweep.params.get("sweep_seed", 0)),
        "trial_seeds": f"{seeds.min()} to {seeds.max()}",
        "dates": [time.strftime("%Y-%m-%d")],
        "duration_seconds": sum(seconds[command] for command in recording.commands),
        "commit": tags.get("mlflow.source.git.commit", ""),
        "machine": tags.get("machine", ""),
        "versions": {tag.removeprefix(VERSION): text for tag, text in sorted(tags.items()) if tag.startswith(VERSION)},
    }
    return told | ({"note": recording.note} if recording.note else {})


def main() -> None:
    """Run and collect the recordings asked for."""
    known = {recording.name: recording for recording in RECORDINGS}
    parser = argparse.ArgumentParser(description="Make the recorded studies anew.")
    parser.add_argument("names", nargs="*", choices=[[], *known], metavar="NAME", help=", ".join(known))
    parser.add_argument("--home", type=Path, default=project_folder() / "mlruns" / "record", help="folder of the store")
    parser.add_argument("--out", type=Path, default=project_folder() / "notebooks" / "recorded", help="for the files")
    parser.add_argument("--collect", action="store_true", help="run nothing, write what the store has")
    parser.add_argument("--judge", action="store_true", help="run nothing, judge the recorded trials of claims")
    asked = parser.parse_args()
    if asked.judge:
        for name in asked.names or ("claims-small", "claims-full"):
            judge(known[name], folder=asked.out)
            print(f"{name}: judged", flush=True)
        return
    # Ctrl-C is for the command that runs: it keeps what is finished, ends, and its time is written down.
    signal.signal(signal.SIGINT, lambda *_: None)
    home = asked.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    for name in asked.names or known:
        if not asked.collect:
            run(known[name], home=home)
        written = collect(known[name], home=home, folder=asked.out)
        print(f"{name}: {'written' if written else 'not finished, left as it was'}", flush=True)


if __name__ == "__main__":
    main()

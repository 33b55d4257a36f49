"""What `study diagnose` says of the model files of a folder, and how long that takes.

    python benchmarks/diagnose_specimens.py FOLDER [--out benchmarks/diagnose_specimens.md]

Every file is diagnosed by the command itself, in a process and a STUDY_HOME of its own, so that its time is that of a
user who waits. Compiled programs and records of an earlier run are not there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from study.trial.environment import machine, versions
from study.trial.markdown import markdown_table

WANTED = 180
"""Seconds within which a diagnosis is to be there on two cores."""


def diagnosed(file: Path) -> tuple[float, dict[str, Any] | str]:
    """Seconds, and the answer or what the command complained of."""
    with TemporaryDirectory() as home:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "study", "diagnose", str(file), "--json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "STUDY_HOME": home},
        )
        seconds = time.monotonic() - began
    return seconds, json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def row(file: Path) -> tuple[str, ...]:
    """Specimen, cause, best remedy, remedies run, trainings, seconds."""
    seconds, answer = diagnosed(file)
    took = f"{seconds:.0f}"
    if isinstance(answer, str):
        return file.stem, answer, "", "", "", took
    run = [one for one in answer["remedies"] if one["run"]]
    held = [one for one in run if one["survived"] == one["trials"]]
    named = [one for one in answer["remedies"] if not one["run"]]
    best = held[0]["change"] if held else f"named: {named[0]['change']}" if named else "none"
    cause = answer["cause"]["id"] if answer["cause"] else "healthy"
    return file.stem, cause, best, str(len(run)), str(sum(one["trials"] for one in run)), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/diagnose_specimens.md"))
    asked = parser.parse_args()
    rows = []
    for file in sorted(asked.folder.glob("*.py")):
        rows.append(row(file))
        print(*rows[-1], sep=" | ", flush=True)
    told = versions()
    text = [
        "# Diagnosis of model files",
        "",
        f"{machine()}; " + ", ".join(f"{name} {told[name]}" for name in ("study", "tensorflow", "keras")) + ".",
        "",
        f"`study diagnose FILE` with its default limits; wanted are at most {WANTED} s.",
        "",
        markdown_table(
            ("model", "cause", "first remedy that held", "remedies run", "their trainings", "seconds"), rows
        ),
        "",
    ]
    asked.out.write_text("\n".join(text))


if __name__ == "__main__":
    main()

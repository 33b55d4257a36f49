"""Programs that are kept on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from study.engine.compiled import programs, training
from study.engine.structure import Structure
from study.trial.config import TrialConfig

CODE = """
import sys
from study.trial.config import TrialConfig
from study.engine import run
for units in map(int, sys.argv[1:]):
    config = TrialConfig(units=units, timesteps=4, features=2, batch_size=4, updates=3)
    print(units, *run([config])[0].loss)
"""


def losses(folder: Path, *units: int) -> dict[str, str]:
    """Losses of small trials in a fresh process, by units, trained in this order."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, units)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "STUDY_PROGRAMS": str(folder)},
    )
    return dict(line.split(maxsplit=1) for line in done.stdout.splitlines())


def test_another_process_finds_them_whatever_it_trains_first_and_one_that_cannot_be_read_is_compiled(tmp_path):
    first = losses(tmp_path, 2, 3)
    kept = sorted(tmp_path.glob("*/*"))
    assert len(kept) == 2
    assert losses(tmp_path, 3, 2) == first
    assert sorted(tmp_path.glob("*/*")) == kept
    for path in kept:
        path.write_bytes(path.read_bytes()[:1000])
    assert losses(tmp_path, 2) == {"2": first["2"]}


def test_a_program_that_was_let_go_of_is_traced_again():
    config = TrialConfig(units=2, timesteps=4, features=2, batch_size=4, updates=3)
    programs_of_it = [training.Program(Structure.of(config)) for _ in range(2)]
    first, again = ([call.figures.numpy() for call in training.calls(config, program=p)] for p in programs_of_it)
    np.testing.assert_array_equal(first, again)


def test_none_are_kept_where_that_is_asked_for_or_not_possible(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for place in ("none", str(tmp_path / "file"), str(tmp_path / "with space")):
        monkeypatch.setenv("STUDY_PROGRAMS", place)
        assert programs.flags(["--flag"]) == ""


def test_the_folder_is_one_for_each_set_of_flags_and_does_not_grow_without_end(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDY_PROGRAMS", str(tmp_path))
    assert programs.flags(["--one"]) != programs.flags(["--other"])
    folder = Path(programs.flags(["--one"]).removeprefix(programs.FLAG))
    for number in range(4):
        (folder / str(number)).write_bytes(bytes(100))
        os.utime(folder / str(number), (number, number))
    monkeypatch.setattr(programs, "MOST_BYTES", 250)
    programs.flags(["--one"])
    assert sorted(path.name for path in folder.iterdir()) == ["2", "3"]

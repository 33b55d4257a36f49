from __future__ import annotations

import shlex
import subprocess

import pytest

from tests.processes import ROOT


@pytest.mark.parametrize("space", ["card", "my space.yml", "it's, $HOME.yaml"])
def test_a_search_space_may_have_any_file_name(space: str) -> None:
    make = ["make", "--dry-run", "--old-file=.venv/ready-requirements.lock", "sweep", "ARGS=--trials 4"]
    # To make, a dollar is two.
    given = f"SPACE={space.replace('$', '$$')}"
    answer = subprocess.run([*make, given], capture_output=True, text=True, check=True, cwd=ROOT)
    (command,) = (line for line in answer.stdout.splitlines() if "study sweep" in line)
    assert shlex.split(command)[1:] == ["sweep", space, "--trials", "4"]

from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.space.file import load
from study.trial.config import axes_table
from study.trial.folders import space_folders
from tests.conftest import ROOT

# The file of claims is no search space of its own.
SPACES = sorted(path for path in (ROOT / "search_spaces").glob("*.yaml") if path.stem != "claims")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_axes_table_is_the_one_that_the_config_gives() -> None:
    assert axes_table() in README, "paste the output of: python -m study.trial.config"


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_shipped_space_is_in_the_table_with_its_number_of_trials(path: Path) -> None:
    space = load(path.stem, folders=space_folders())
    assert re.search(rf"^\| `{path.stem}` \| .+ \| {space.trials} \| .+ \|$", README, re.MULTILINE)


def test_the_example_space_parses() -> None:
    from study.space.file import parse

    example = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert example is not None
    assert parse(example[1]).trials == 64


def test_every_file_the_readme_names_is_there() -> None:
    for name in re.findall(r"`((?:study|notebooks|benchmarks)/[\w/.]+)`|\]\(([\w/.]+)\)", README):
        assert (ROOT / (name[0] or name[1])).exists(), name

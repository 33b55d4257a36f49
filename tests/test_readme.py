from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from study.report.claims_markdown import SHOWN, claims_table, remedies_table
from study.report.tables import load_remedies, load_verdicts
from study.space.file import load
from study.trial.config import axes_table
from study.trial.folders import space_folders
from tests.processes import ROOT

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


def test_the_session_that_the_readme_shows_says_what_it_prints() -> None:
    session = r"```python\n(import keras\n.*?watch\.diagnose.*?)```\n\nprints.*?\n\n((?:> [^\n]*\n)+)"
    shown = re.search(session, README, re.DOTALL)
    assert shown is not None
    before = "import tensorflow as tf\ntf.random.normal((9, 9)) @ tf.random.normal((9, 9))\n"
    after = "import sys\nassert 'study.engine.runtime' not in sys.modules\n"
    run = subprocess.run(
        [sys.executable, "-c", before + shown[1] + after], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert " ".join(shown[2].replace("> ", "").split()) in run.stdout
    assert "Less likely" in run.stdout


def test_the_model_file_that_the_readme_shows_is_the_one_of_the_notebook_and_says_what_it_answers() -> None:
    shown = re.search(r"```python\n# (notebooks/my_own_model\.py)\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    file = ast.parse((ROOT / shown[1]).read_text())
    assert ast.dump(ast.Module(file.body[1:], [])) == ast.dump(ast.parse(shown[2]))  # the first is its docstring
    answer = re.search(r"^answers\n\n((?:> .*\n)+)", README, re.MULTILINE)
    assert answer is not None
    said = " ".join(answer[1].replace("> ", "").split())
    notebook = json.loads((ROOT / "notebooks" / "05_my_own_model.ipynb").read_text())
    printed = [
        " ".join("".join(output["text"]).split())
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if "text" in output
    ]
    assert said in printed


def test_the_tables_of_claims_and_remedies_are_those_of_the_recorded_study() -> None:
    contrasts, _ = load_verdicts(SHOWN)
    paste = "paste the output of: python -m study.report.claims_markdown"
    assert claims_table(contrasts) in README, paste
    assert remedies_table(load_remedies(SHOWN)) in README, paste

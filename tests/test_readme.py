from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from study.analysis.boundary.atlas import atlas
from study.analysis.survival.accelerated_failure_time import accelerated_failure_time
from study.analysis.survival.clock import past_first_update
from study.analysis.survival.cox import cox
from study.analysis.survival.first_update import first_update
from study.analysis.survival.paired import paired_trials
from study.analysis.survival.power_law import power_law
from study.analysis.survival.scaling import scaling
from study.report.claims_markdown import SHOWN, claims_table, remedies_table
from study.report.tables import load as load_table
from study.report.tables import load_remedies, load_verdicts
from study.space.file import load
from study.trial.config import axes_table
from study.trial.folders import space_folders
from tests.processes import ROOT

# The file of claims is no search space of its own.
SPACES = sorted(path for path in (ROOT / "search_spaces").glob("*.yaml") if path.stem != "claims")
COUNTS = (100, 200, 300, 400)
"""Trials of the sweeps in benchmarks/boundary_card.md."""

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
    assert " ".join(answer[1].replace("> ", "").split()) in printed_by("05_my_own_model")


def printed_by(notebook: str) -> list[str]:
    """What the cells of a notebook printed when it was last run."""
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    return [
        " ".join("".join(output["text"]).split())
        for cell in cells
        for output in cell.get("outputs", ())
        if "text" in output
    ]


def numbers_of(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", text)


@pytest.mark.parametrize(
    ("begins", "begins_in_the_readme"),
    [
        ("The configuration of an unseen trial", "Of trials that were held out"),
        ("Of the 750 trials without", "Of the 750 trials without"),
        ("Of 720 configurations with 8 seeds", "of 720 configurations"),
    ],
)
def test_what_is_said_of_card_is_what_its_notebook_prints(begins: str, begins_in_the_readme: str) -> None:
    printed = " ".join(printed_by("01_divergence_boundaries"))
    told = " ".join(README.split())
    sentence, its_own = (
        re.search(rf"{re.escape(start)}.*?\.(?= |$)", text)
        for start, text in ((begins, printed), (begins_in_the_readme, told))
    )
    assert sentence is not None
    assert its_own is not None
    assert Counter(numbers_of(sentence[0])) <= Counter(numbers_of(its_own[0]))


def test_the_numbers_of_the_law_are_those_of_the_recorded_grid() -> None:
    """Where they are others, notebook 02 prints those to write."""
    trials = load_table("recorded:lr_by_units")
    found = scaling(trials)
    assert found.pure is not None
    exponents = {(row["distribution"], row["axis"]): row for _, row in found.law.exponents.iterrows()}
    told(f"the power {told_range(exponents[found.law.distribution, 'learning_rate'], '95% interval ')}")
    names = found.law.alternatives["distribution"]
    alike = [name for name in names if f" {name}, " in found.law.fit_as_well]
    assert len(alike) == 2, "two distributions fit alike, says the README"
    told(", ".join(f"{told_range(exponents[name, 'units'])} where it is {CALLED[name]}" for name in alike))
    told(f"in the grid (p = {found.pure.p_value:.2f})")
    odds = first_update(trials).odds_ratios.set_index("axis").loc["units"]
    told(f"odds ratio {odds['odds_ratio']:.2f} a doubling, {odds['low']:.2f} to {odds['high']:.2f}")
    hazard = cox(past_first_update(trials)).hazard_ratios.set_index("axis").loc["units"]
    told(f"hazard ratio {hazard['hazard_ratio']:.1f}, {hazard['low']:.1f} to {hazard['high']:.1f}")


def test_the_numbers_of_the_paired_comparison_are_those_of_the_recorded_claims() -> None:
    """Where they are others, notebook 02 prints those to write."""
    claims = load_table(SHOWN)
    newer, older = (paired_trials(claims[claims["semantics"] == under], along="learning_rate") for under in SEMANTICS)
    rates = newer["learning_rate"]
    (units,) = newer["units"].unique()
    told(f"({units} units, {newer['seed'].nunique()} seeds, {rate_text(rates.min())} to {rate_text(rates.max())})")
    row, other = (
        accelerated_failure_time(trials, axes=["learning_rate"], within="seed").exponents.iloc[0]
        for trials in (newer, older)
    )
    told(f"is {told_range(row)[:-1]}; under keras-2.2.4 {told_range(other).replace(' (', ', ')}")
    times, low, high = (10 ** -row[name] for name in ("exponent", "high", "low"))
    told(f"buys {times:.1f} times the steps ({low:.1f} to {high:.1f})")
    bent, straight = (power_law(trials, axes=["learning_rate"], within="seed") for trials in (newer, older))
    lowest, highest = (
        f"{part['exponent']:.2f} between {rate_text(part['from'])} and {rate_text(part['to'])}"
        for part in (bent.parts.iloc[0], bent.parts.iloc[-1])
    )
    told(f"it changes under keras-3 (p = {bent.p_value:.2f}), from {lowest} to {highest}")
    told(f"under keras-2.2.4 (p = {straight.p_value:.2f})")


CALLED = {"weibull": "Weibull", "log-normal": "log-normal", "log-logistic": "log-logistic"}
SEMANTICS = ("keras-3", "keras-2.2.4")


def told(words: str) -> None:
    assert words in " ".join(README.split())


def told_range(row: pd.Series, interval: str = "") -> str:
    """An exponent as the README writes it: `-0.79 (-0.89 to -0.68)`."""
    return f"{row['exponent']:.2f} ({interval}{row['low']:.2f} to {row['high']:.2f})"


def rate_text(rate: float) -> str:
    """A learning rate as the README writes it: `3e-4`."""
    digits, _, power = f"{rate:.0e}".partition("e")
    return f"{digits}e{int(power)}"


def test_the_tables_of_claims_and_remedies_are_those_of_the_recorded_study() -> None:
    contrasts, _ = load_verdicts(SHOWN)
    paste = "paste the output of: python -m study.report.claims_markdown"
    assert claims_table(contrasts) in README, paste
    assert remedies_table(load_remedies(SHOWN)) in README, paste


def test_the_numbers_of_the_boundary_sampler_are_those_of_its_benchmarks() -> None:
    told = " ".join(README.split())
    two, three = (float(share) for share in _cells("boundary.md", "boundary", column="reaches the grid's error at"))
    assert f"came down to that of the whole grid's trials at {two:.0%} and at {three:.0%} of the grid's updates" in told
    columns = {"column": "mean of time and outcome"}
    chosen = dict(zip(COUNTS, _cells("boundary_card.md", "boundary sampler", **columns), strict=True))
    drawn = dict(zip(COUNTS, _cells("boundary_card.md", "recorded, at random", **columns), strict=True))
    means = [accuracies[count].split(" (")[0] for accuracies in (chosen, drawn) for count in (200, 400)]
    told_means = (
        "200 new trials told the outcomes of its recorded ones with an accuracy of {}, 400 with {}, the means of five "
        "sweeps; as many at random with {} and {} "
    )
    assert told_means.format(*means) in told
    shares = [float(cell.strip("%")) for cell in _cells("boundary_coverage.md", "", column="hold the truth")]
    skewed = [float(cell.strip("%")) for cell in _cells("boundary_coverage.md", "skewed", column="hold the truth")]
    usual = list((Counter(shares) - Counter(skewed)).elements())
    assert (len(usual), len(skewed)) == (3 * 11, 3)
    assert f"in {min(usual):g}% to {max(usual):g}% of 200 simulated studies each, of eleven kinds" in told
    assert f"in {min(skewed):g}% to {max(skewed):g}% where times are as skewed as exponential ones" in told


def _cells(benchmark: str, row: str, *, column: str) -> list[str]:
    """A column of the rows that begin so, of all tables of a benchmark that have it."""
    found, header = [], []
    for line in (ROOT / "benchmarks" / benchmark).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells or column in cells:
            header = cells
        elif header and cells[0].startswith(row) and not set(cells[0]) <= set("-"):
            found.append(cells[header.index(column)])
    return found


def test_the_numbers_of_the_atlas_are_those_of_the_recorded_trials() -> None:
    tables = [load_table(f"recorded:{name}") for name in ("atlas", "atlas_zoom")]
    whole, zoom = (atlas(table, x="learning_rate", y="recurrent_dropout") for table in tables)
    told = " ".join(README.split())
    told = told[told.index("Close up,") : told.index('ARGS="atlas')]
    numbers = " ".join(number for number in numbers_of(told) if number != "95")
    for found in (whole.dimension(), zoom.dimension(), whole.dimension(within=2), whole.dimension(along="x")):
        assert f" {found.dimension:.2f} {found.low:.2f} {found.high:.2f} " in numbers
    survivors = tables[0][tables[0]["outcome"] == "survived"]
    assert f"{survivors['exploded'].sum()} of the {len(survivors)} white trials exploded" in told

"""`study boundary`, called in the test's own process on a recorded study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from study.cli.main import study

RECORDED = "recorded:lr_by_units"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(study, ["boundary", *arguments])


def test_it_says_where_on_one_axis_and_draws_it(tmp_path: Path) -> None:
    figure = tmp_path / "one.png"
    result = run(RECORDED, "--along", "learning_rate", "--at", "units=16", "--out", str(figure))
    assert result.exit_code == 0
    assert result.output.startswith("P(NaN within 60 updates) = 0.5 at learning_rate = 0.000")
    assert "95% interval 0.000" in result.output
    assert "Trials that would tell most" in result.output
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_its_json_is_one_strict_object() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    told = json.loads(run(RECORDED, "--json", "--updates", "30").output, parse_constant=refuse)
    assert told["updates"] == 30
    assert {one["beside"] for one in told["crossings"]} == {4, 6, 8, 12, 16, 24, 32, 48, 64}
    # A smaller budget needs a larger learning rate.
    whole = json.loads(run(RECORDED, "--json").output)
    pairs = zip(told["crossings"], whole["crossings"], strict=True)
    assert all(half["value"] > full["value"] for half, full in pairs)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((RECORDED, "--at", "units"), "--at units: write it as axis=value"),
        ((RECORDED, "--out", "figure.pdf"), "--out figure.pdf: takes a file that ends in .png"),
        ((RECORDED, "--updates", "61"), "updates 61: takes 2 to 60, the budget of the study"),
        (("recorded:mre",), "recorded:mre: shows no boundary; that needs four trials with a result"),
    ],
)
def test_what_it_cannot_do_is_a_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert sentence in result.output

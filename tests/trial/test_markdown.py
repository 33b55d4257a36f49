"""Tables as Markdown."""

from __future__ import annotations

import pytest

from study.trial.markdown import markdown_row, markdown_table
from tests.processes import ROOT

TABLE = """\
| sampler | trials | share |
| --- | ---: | --- |
| sobol | 20 |  |
| random | 5 | 3.0% |"""


def test_a_table_has_its_names_a_rule_and_a_line_for_each_row() -> None:
    rows = [("sobol", 20, ""), ("random", 5, "3.0%")]
    assert markdown_table(("sampler", "trials", "share"), rows, figures=["trials"]) == TABLE


def test_a_row_alone_is_as_in_its_table() -> None:
    assert markdown_row(("random", 5, "3.0%")) == TABLE.splitlines()[-1]


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "benchmarks").glob("*.md")))
def test_tables_of_the_benchmarks_are_written_in_this_way(name: str) -> None:
    text = (ROOT / "benchmarks" / name).read_text(encoding="utf-8")
    for part in text.split("\n\n"):
        if not part.startswith("|"):
            continue
        header, rule, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in part.strip().splitlines())
        figures = [column for column, ruled in zip(header, rule, strict=True) if ruled == "---:"]
        assert markdown_table(header, rows, figures=figures) == part.strip()

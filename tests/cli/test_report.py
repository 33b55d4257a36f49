from __future__ import annotations

import math
from pathlib import Path

from study.analysis.table import write_results
from tests.analysis.made_up_trials import results_table
from tests.cli.conftest import Cli


def test_plots_are_a_page_beside_the_report_that_links_to_it(cli: Cli, tmp_path: Path) -> None:
    write_results(
        results_table([10, 50, math.inf, math.inf], learning_rate=[1e-2, 1e-3, 1e-3, 1e-4]), tmp_path / "few.csv"
    )
    answer = cli("report", str(tmp_path / "few.csv"), "--out", str(tmp_path / "few.html"), "--plots", "--no-open")
    assert answer.exit_code == 0, answer.output
    assert f"The plots are in {tmp_path / 'few-plots.html'}" in answer.output
    assert '<a href="few.html">The report</a>' in (tmp_path / "few-plots.html").read_text(encoding="utf-8")
    assert "<script" not in (tmp_path / "few.html").read_text(encoding="utf-8")

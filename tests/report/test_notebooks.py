from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from study.report.readme_figures import drawings, notebooks, run_notebook, write_readme_figures
from study.report.tables import recorded_folder
from study.trial.errors import UserError

NOTEBOOKS = notebooks()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.nightly] if number else [])
        for number, path in enumerate(NOTEBOOKS)
    ],
)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    out = tmp_path / path.name
    run_notebook(path, out=out)
    notebook = nbformat.read(out, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code[0].source.startswith(("STUDY = ", "MODEL = "))
    pictures = [
        output
        for cell in code
        for output in cell.outputs
        if {"image/png", "image/svg+xml"} & set(output.get("data", ()))
    ]
    assert pictures
    assert not [output for cell in code for output in cell.outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_is_kept_with_the_outputs_of_all_its_cells_in_order(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert code[-1].outputs


def test_there_are_five_notebooks_each_a_question() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]
    for path in NOTEBOOKS:
        first = json.loads(path.read_text("utf-8"))["cells"][0]["source"]
        assert "".join(first).splitlines()[0].endswith("?")


def test_an_error_in_a_notebook_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    path, out = tmp_path / "wrong.ipynb", tmp_path / "out.ipynb"
    nbformat.write(notebook, path)
    with pytest.raises(UserError, match=r"wrong\.ipynb: a cell raised ZeroDivisionError"):
        run_notebook(path, out=out)
    assert not out.exists()


def test_the_figures_of_the_readme_are_drawn_from_the_recorded_study(tmp_path: Path) -> None:
    atlas = ["atlas.png"] if (recorded_folder() / "atlas.parquet").is_file() else []
    assert [path.name for path in write_readme_figures(tmp_path)] == ["phase_diagram.png", "survival.png", *atlas]
    for path in tmp_path.iterdir():
        assert int.from_bytes(path.read_bytes()[16:20], "big") == 1660  # twice the width of a README
    assert all(drawing.figure is not None for drawing in drawings())

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from study.report.tables import is_file, load, load_remedies, load_verdicts, recorded_folder
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recorded studies with one in it."""
    monkeypatch.setattr("study.report.tables.shipped_folder", lambda name: tmp_path / name)
    folder = tmp_path / "notebooks" / "recorded"
    folder.mkdir(parents=True)
    results_table([3, 5, 99]).to_parquet(folder / "card.parquet")
    return folder


def test_a_recorded_study_is_loaded_by_its_name(recorded: Path) -> None:
    assert load("recorded:card")["outcome"].tolist() == ["diverged", "diverged", "survived"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_is_loaded_with_the_types_that_it_was_written_with(ending: str, tmp_path: Path) -> None:
    table = results_table([3, 5, 99])
    path = tmp_path / f"mine.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(load(str(path)), table)


def test_a_recorded_study_that_is_not_there_is_an_error_that_names_those_that_are(recorded: Path) -> None:
    with pytest.raises(UserError, match=r"recorded:mre: no such recorded study; there are card"):
        load("recorded:mre")
    with pytest.raises(UserError, match=r"recorded:card-contrasts: no such"):
        load_verdicts("recorded:card")


def test_verdicts_of_a_recorded_study_are_beside_its_trials(recorded: Path) -> None:
    pd.DataFrame({"verdict": ["supported"]}).to_parquet(recorded / "card-contrasts.parquet")
    pd.DataFrame({"arm": ["relu", "tanh"]}).to_parquet(recorded / "card-arms.parquet")
    contrasts, arms = load_verdicts("recorded:card")
    assert contrasts["verdict"].tolist() == ["supported"]
    assert arms["arm"].tolist() == ["relu", "tanh"]


def test_without_a_store_a_study_in_mlflow_is_an_error(home: Path) -> None:
    with pytest.raises(UserError, match="holds no studies yet"):
        load("card")


def test_names_of_files_are_told_from_those_of_studies() -> None:
    assert [is_file(name) for name in ("card", "recorded:card", "card.csv", "./a/b.parquet", "card.v2")] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_every_recorded_study_of_the_project_can_be_loaded() -> None:
    tables = [
        path
        for path in recorded_folder().glob("*.parquet")
        if not path.stem.endswith(("-contrasts", "-arms", "-remedies", "-keras"))
    ]
    assert tables
    for path in tables:
        assert len(load(f"recorded:{path.stem}"))


def test_remedies_of_a_recorded_study_are_beside_its_trials(recorded: Path) -> None:
    pd.DataFrame({"rank": [1, 2]}).to_parquet(recorded / "card-remedies.parquet")
    assert load_remedies("recorded:card")["rank"].tolist() == [1, 2]
    with pytest.raises(UserError, match="recorded:mre-remedies: no such recorded study"):
        load_remedies("recorded:mre")


def test_the_recorded_verdicts_are_those_of_the_second_edition_with_their_quantifiers() -> None:
    for name in ("recorded:claims-small", "recorded:claims-full"):
        contrasts, _ = load_verdicts(name)
        assert set(contrasts["quantifier"]) == {"always", "never", "ever", "mostly"}
        assert contrasts["finding"].str.len().min() > 0
    assert set(load_remedies("recorded:claims-small")["semantics"]) == {"keras-3", "keras-2.2.4"}

"""`study diagnose`: what may be asked of it, told before anything is trained."""

from __future__ import annotations

from pathlib import Path

from study.diagnosis.subject import Subject, subject
from study.models.file import ModelFile
from study.trial.axes import Axes, Axis
from study.trial.config import EXAMPLE, TrialConfig
from study.trial.model_design import ModelDesign
from tests.cli.conftest import Cli

DESIGN = ModelDesign(
    model="m.py",
    sha256="0" * 64,
    file_axes=Axes([Axis.annotated("seed", int, 1), Axis.annotated("updates", int, 100)]),
)


def test_a_run_has_all_its_settings_so_that_nothing_is_set_beside_it(cli: Cli) -> None:
    for more in (("m.py",), ("--set", "units=8"), ("--divergence", "loss_above=10")):
        told = cli("diagnose", "--run", "abc", *more)
        assert told.exit_code == 2
        assert told.stderr.count("\n") == 1
        assert "--run abc" in told.stderr


def test_a_file_that_is_not_there_and_a_page_that_cannot_be_written_are_refused_at_once(cli: Cli, home: Path) -> None:
    missing = cli("diagnose", "no_such_file.py")
    assert (missing.exit_code, home.exists()) == (2, False)
    assert "there is no such file" in missing.stderr
    page = cli("diagnose", "no_such_file.py", "--out", "page.txt")
    assert page.exit_code == 2
    assert "ends in .html" in page.stderr


def test_without_a_file_it_is_about_the_minimal_example() -> None:
    found = subject(None, None)
    assert found.file is None
    assert found.config(EXAMPLE, ("units=8", "activation=selu")) == TrialConfig(units=8, activation="selu")


def test_a_tracked_trial_is_diagnosed_as_it_was_trained() -> None:
    file = ModelFile(path="m.py", text="")
    known = Subject(file=file, run_id="abc", values={"seed": 7, "updates": 40})
    assert known.config(DESIGN, ()).values() == {"seed": 7, "updates": 40}
    old = TrialConfig(seed=7, semantics="keras-2.2.4")
    assert Subject(run_id="abc", values=old.values()).config(EXAMPLE, ()) == old

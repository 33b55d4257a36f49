from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from threading import Event

import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from rich.console import Console

from study.claims.contrast import trials_of
from study.claims.file import load_claims
from study.claims.run import ClaimsRun, choose
from study.claims.verdicts import Verdicts
from study.cli.main import study
from study.sweep.options import SweepOptions
from study.sweep.workers.inline import InlineWorkers
from study.tracking import read_results
from study.trial.config import TrialConfig
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.result import TrialResult
from tests.processes import ROOT
from tests.stores import assert_whole_and_equal, mlflow_runs

FILE = ROOT / "search_spaces" / "claims.yaml"


class MadeUp:
    """Trains trials that are made up, and stops the run with the last of so many.

    Under relu the time to NaN is 640 / units and a few updates, the same whenever it is asked for; nothing else
    diverges.
    """

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.stop = Event()
        self._left = stop_after

    def __call__(self, configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        if self._left is not None:
            self._left -= len(configs)
            if self._left <= 0:
                self.stop.set()
        return [self._trial(TrialConfig.model_validate_json(config), engine) for config in configs]

    @staticmethod
    def _trial(config: TrialConfig, engine: str) -> str:
        time = 640 // config.units + config.seed % 3
        loss = [random.Random(config.seed + update).random() for update in range(config.updates)]
        if config.activation == "relu":
            loss = [*loss[: time - 1], float("inf")]
        return TrialResult(config=config, loss=tuple(loss), engine=engine, device="CPU", seconds=0.2).to_json()


def judged(home: Home, *only: str, train: MadeUp) -> tuple[Verdicts | None, str]:
    """The verdicts on some claims, of 16 seeds, and what was printed."""
    output = StringIO()
    run = ClaimsRun(
        claims=load_claims(FILE, scale="small"),
        options=SweepOptions(name="claims"),
        semantics=["keras-3"],
        home=home,
        console=Console(file=output, width=160),
        stop=train.stop,
        workers=lambda at_most: InlineWorkers(train=train),
    )
    return run.verdicts(only=only, replicates=16), output.getvalue()


def kept(uri: str, name: str, folder: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """The verdicts by contrast, and the tags, that the study's parent run keeps."""
    parent = next(run for run in mlflow_runs(uri, name) if "mlflow.parentRunId" not in run.data.tags)
    client = MlflowClient(tracking_uri=uri)
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"claims.csv", "claims.parquet", "claims_arms.csv", "claims_arms.parquet", "claims.yaml"} <= files
    path = client.download_artifacts(parent.info.run_id, "claims.parquet", str(folder))
    client.download_artifacts(parent.info.run_id, "claims.yaml", str(folder))
    assert (folder / "claims.yaml").read_text(encoding="utf-8") == FILE.read_text(encoding="utf-8")
    return pd.read_parquet(path).set_index("contrast"), dict(parent.data.tags)


def test_a_stopped_run_of_claims_goes_on_takes_up_more_claims_and_keeps_the_verdicts(
    stores: Home, tmp_path: Path
) -> None:
    uri, home = stores.tracking_uri, stores.folder
    assert judged(stores, "C6a", train=MadeUp(stop_after=5))[0] is None
    output = judged(stores, "C5", "C6a", train=MadeUp())[1]
    # Two sizes and tanh by 16 seeds; the control of C5 is one of the sizes.
    assert_whole_and_equal(home, "claims", trials=48)
    assert "2 claims under keras-3: 0 supported, 0 contradicted, 0 no difference, 2 not resolved" in output
    found, tags = kept(uri, "claims", tmp_path)
    assert found.loc["C6a", ["verdict", "successes"]].tolist() == ["supported", 16]
    assert found.loc["C6b", "note"] == "16 of 32 trials not run yet"
    # 16 seeds without a case are too few for a share below 10%.
    assert found.loc["C5", ["verdict", "successes", "observations"]].tolist() == ["not resolved", 0, 16]
    assert found.loc["C7a", ["verdict", "note"]].tolist() == ["not resolved", "16 of 32 trials not run yet"]
    assert tags["verdict.C6.keras-3"] == "not resolved"
    configs = read_results(uri=uri, study="claims")
    chosen = choose(load_claims(FILE, scale="small"), only=["C6a", "C5"], replicates=16)
    asked = trials_of(chosen, semantics=["keras-3"], seed=0)
    columns = ["units", "seed", "budget"]
    expected = sorted((c.units, c.seed, c.updates) for c in asked)
    assert sorted(configs[columns].itertuples(index=False, name=None)) == expected


def test_the_analysis_of_claims_imports_neither_tensorflow_nor_mlflow_nor_optuna() -> None:
    code = "import sys, study.claims.verdicts; print({'tensorflow', 'mlflow', 'optuna'} & {*sys.modules})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout.strip() == "set()"


def test_parts_of_claims_can_be_chosen_and_unknown_ones_are_told_in_a_sentence() -> None:
    claims = load_claims(FILE, scale="small")
    assert [c.id for c in choose(claims, only=["C8", "C16b"])] == ["C8a", "C8b", "C8c", "C16b"]
    assert {c.replicates for c in choose(claims, replicates=3)} == {3}
    with pytest.raises(UserError, match=r"^--only C8d: is not in .*claims\.yaml; there are C1, C2a, "):
        choose(claims, only=["C8d"])


def test_the_command_tells_of_a_mistake_in_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    unknown = CliRunner().invoke(study, ["claims", "--only", "C1, C99", "--only", "C2"])
    assert unknown.exit_code == 2
    assert unknown.stderr.startswith("Error: --only C99: is not in search_spaces/claims.yaml; there are C1, C2a, C2b,")
    elsewhere = CliRunner().invoke(study, ["claims", "--only", "C12", "--semantics", "keras-2.2.4"])
    assert elsewhere.exit_code == 2
    assert elsewhere.stderr.startswith("Error: --only C12: is not asked under keras-2.2.4; see search_spaces")
    assert not home.exists()

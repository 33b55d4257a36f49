"""Writing to MLflow through a client whose calls fail: nothing is lost, doubled or left half written."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from mlflow.tracking import MlflowClient

from study.tracking import Tracker, Waiting
from study.trial.config import EXAMPLE, TrialConfig
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.record import Record
from study.trial.result import TrialResult
from tests.stores import mlflow_runs, trial_runs

WRITES = ("create_run", "log_batch", "set_terminated")
"""What a trial's run is written by."""

CONFIG = TrialConfig(updates=12)
RECORD = Record(
    number=7,
    config=CONFIG,
    result=TrialResult(config=CONFIG, loss=(0.5,) * CONFIG.updates, engine="compiled", device="CPU", seconds=1.0),
    end_time=1e9,
)


class Client:
    """MLflow's client, one of whose writes fails.

    Args:
        client: What does the work.
        fails_at: 1-based number of the write that fails; None lets all succeed.
        done: Whether it was done all the same, and only its answer is lost.
        code: Of MLflow's error.
    """

    def __init__(
        self,
        client: MlflowClient,
        *,
        fails_at: int | None = None,
        done: bool = False,
        code: int = TEMPORARILY_UNAVAILABLE,
    ) -> None:
        self.writes: list[str] = []
        self.counting = False
        self._client = client
        self._fails_at = fails_at
        self._done = done
        self._code = code

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name not in WRITES or not self.counting:
            return method

        def write(*arguments: Any, **named: Any) -> Any:
            self.writes.append(name)
            if len(self.writes) != self._fails_at:
                return method(*arguments, **named)
            if self._done:
                method(*arguments, **named)
            raise MlflowException("the write failed", error_code=self._code)

        return write


@pytest.fixture
def said() -> list[str]:
    """What was said at the terminal."""
    return []


def tracker_of(home: Home, study: str, client: Client, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """An open tracker of a study that writes through this client, with so small batches that a trial takes several."""
    monkeypatch.setattr("study.tracking.write_run.METRICS_PER_BATCH", 10)
    monkeypatch.setattr("study.tracking.write_run.own_store", lambda client: None)  # as if a server kept it
    monkeypatch.setattr("study.tracking.writer.client_of", lambda uri: client)
    waiting = Waiting(seconds=60, say=said.append, sleep=lambda seconds: None)
    tracker = Tracker(uri=home.tracking_uri, study=study, artifacts=home.artifacts, waiting=waiting)
    tracker.open(uid=study, tags={}, params={}, axes=EXAMPLE.axes, varied=["units"], space_yaml="about: nothing")
    client.counting = True
    return tracker


def written(home: Home, study: str) -> dict[str, Any]:
    """All that MLflow keeps of the one trial."""
    (run,) = trial_runs(home.tracking_uri, study).values()
    client = MlflowClient(tracking_uri=home.tracking_uri)
    losses = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "loss")]
    times = (run.info.start_time, run.info.end_time)
    tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"}
    return {
        "info": (run.info.run_name, run.info.status, times),
        "params": run.data.params,
        "tags": tags,
        "metrics": run.data.metrics,
        "losses": sorted(losses),
    }


def test_a_lost_answer_or_a_lost_write_leaves_one_whole_run_whichever_it_was(
    stores: Home, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(MlflowClient(tracking_uri=stores.tracking_uri))
    tracker_of(stores, "whole", client, said, monkeypatch).log_trial(RECORD)
    writes = client.writes
    assert (writes[0], {*writes[1:-1]}, writes[-1]) == ("create_run", {"log_batch"}, "set_terminated")
    assert len(writes) == 4
    assert said == []
    expected = written(stores, "whole")
    assert expected["losses"] == [(update, 0.5) for update in range(1, CONFIG.updates + 1)]
    for fails_at in range(1, len(writes) + 1):
        for done in (False, True):
            study = f"{fails_at} {done}"
            failing = Client(MlflowClient(tracking_uri=stores.tracking_uri), fails_at=fails_at, done=done)
            said.clear()
            run_id = tracker_of(stores, study, failing, said, monkeypatch).log_trial(RECORD)
            assert written(stores, study) == expected, study
            assert trial_runs(stores.tracking_uri, study)[7].info.run_id == run_id
            assert [sentence.rpartition("/")[2].partition(" ")[2] for sentence in said] == [
                "does not answer (the write failed); waiting up to 60 seconds for it",
                "answers again",
            ]


def test_a_refusal_is_told_at_once_and_what_was_half_written_is_written_anew(
    stores: Home, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Client(MlflowClient(tracking_uri=stores.tracking_uri), fails_at=2, code=INVALID_PARAMETER_VALUE)
    tracker = tracker_of(stores, "refused", refusing, said, monkeypatch)
    with pytest.raises(UserError, match=r"refused \(the write failed\); every finished trial is kept"):
        tracker.log_trial(RECORD)
    assert refusing.writes == ["create_run", "log_batch"]
    assert said == []
    # The same command again, on a store that wants it now.
    client = Client(MlflowClient(tracking_uri=stores.tracking_uri))
    tracker_of(stores, "refused", client, said, monkeypatch).log_trial(RECORD)
    assert written(stores, "refused")["info"][1] == "FINISHED"


def test_a_trial_is_written_once_however_often_it_is_told(
    stores: Home, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(MlflowClient(tracking_uri=stores.tracking_uri))
    first = tracker_of(stores, "once", client, said, monkeypatch)
    run_id = first.log_trial(RECORD)
    assert first.log_trial(RECORD) == run_id
    again = Client(MlflowClient(tracking_uri=stores.tracking_uri))
    assert tracker_of(stores, "once", again, said, monkeypatch).log_trial(RECORD) == run_id
    assert again.writes == []
    assert len(mlflow_runs(stores.tracking_uri, "once")) == 2

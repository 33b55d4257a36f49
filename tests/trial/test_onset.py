"""An onset's way through JSON and MLflow's tags and metrics."""

from __future__ import annotations

import json
import math

from study.tracking.client import NOTE
from study.tracking.trial_run import trial_metrics, trial_tags
from study.trial.growth import FIGURES, Growth, kept_updates
from study.trial.onset import Onset
from study.trial.record import Record
from study.trial.result import TrialResult
from study.trial.sentence import verdict
from tests.trial.results import LOSSES, onset, result

SURVIVED = (0.7,) * 20


def test_a_result_with_onset_and_growth_survives_json() -> None:
    operands = {"forget_gate": 1.0, "cell_state before": math.inf, "candidate": -math.inf}
    one = result(onset=onset(operands=operands, warning="by rounding"), loss=(*LOSSES[:-1], math.inf))
    assert TrialResult.from_json(one.to_json()) == one
    bare = result(onset=None, timeline=None, growth=None, loss=SURVIVED)
    assert TrialResult.from_json(bare.to_json()) == bare


def test_an_onset_of_an_earlier_version_is_read() -> None:
    written = onset(operands={"forget_gate": 1.0}).as_dict()
    del written["row"], written["source"]
    old = Onset.from_dict(json.loads(json.dumps(written)))
    assert old == onset(operands={"forget_gate": 1.0})
    assert (old.row, old.source) == (None, None)


def test_the_line_and_the_row_of_a_users_model_are_kept() -> None:
    one = onset(phase="loss", layer="loss", tensor="log", row=3011, source="my_model.py:41")
    assert Onset.from_dict(json.loads(json.dumps(one.as_dict()))) == one
    assert one.texts()["source"] == "my_model.py:41"


def test_growth_keeps_the_last_updates_and_none_where_a_figure_was_not_finite() -> None:
    rows = [[0.5, *([float(n)] * len(FIGURES))] for n in range(1, 100)] + [[math.nan, *([math.inf] * len(FIGURES))]]
    growth = Growth.of(rows)
    assert list(growth.updates) == kept_updates(100)
    assert growth.updates[-4:] == (97, 98, 99, 100)
    assert growth.figures["max_cell"][-1] is None
    assert growth.last() == dict.fromkeys(FIGURES, 99.0)


def test_mlflow_gets_the_onset_as_metrics_and_tags_and_the_verdict_as_description() -> None:
    one = result()
    tags = trial_tags(Record(number=3, config=one.config, result=one, end_time=1.0))
    assert tags["onset_tensor"] == "cell_state"
    assert tags["onset_layer"] == "lstm_1"
    assert tags[NOTE].endswith(verdict(one))
    metrics = {metric.key: metric.value for metric in trial_metrics(one, start=0, end=10)}
    assert {key: metrics[key] for key in ("onset_update", "onset_timestep", "onset_sample", "onset_unit")} == {
        "onset_update": 8,
        "onset_timestep": 611,
        "onset_sample": 3,
        "onset_unit": 40,
    }
    assert (metrics["nonfinite_weight"], metrics["loss_exceeded"]) == (9, 3)
    assert "nonfinite_gradient" not in metrics
    assert all(map(math.isfinite, metrics.values()))

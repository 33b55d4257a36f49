"""MLflow: the one room that knows it, writing runs and reading them back.

A study is an experiment. A sweep is its parent run; every trial is a nested run, written in one go when the trial has
finished. Read `client` (connection, errors, names), `trial_run` (what a run says of a trial), `writer` and `reader`.
"""

from study.tracking.client import ANATOMY, CAUSE, KERAS_RUNS, REMEDIES, VERSION, create_store, list_studies
from study.tracking.diagnosis import DiagnosisRuns, KeptTraining
from study.tracking.patience import Patience, Waiting
from study.tracking.reader import (
    KeptFile,
    SweepRun,
    TrackedTrial,
    pages_of,
    read_causes,
    read_kept,
    read_metric,
    read_results,
    read_run,
    read_sweep,
    read_trial,
    read_verdicts,
)
from study.tracking.trial_run import run_name
from study.tracking.views import address
from study.tracking.writer import Tracker, attach, keep_artifact

__all__ = [
    "ANATOMY",
    "CAUSE",
    "KERAS_RUNS",
    "REMEDIES",
    "VERSION",
    "DiagnosisRuns",
    "KeptFile",
    "KeptTraining",
    "Patience",
    "SweepRun",
    "TrackedTrial",
    "Tracker",
    "Waiting",
    "address",
    "attach",
    "create_store",
    "keep_artifact",
    "list_studies",
    "pages_of",
    "read_causes",
    "read_kept",
    "read_metric",
    "read_results",
    "read_run",
    "read_sweep",
    "read_trial",
    "read_verdicts",
    "run_name",
]

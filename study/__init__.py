"""Where a recurrent net trains to NaN, why it does, and what moves the boundary.

The public names, each imported when it is first asked for, so that none costs the import of TensorFlow or MLflow
before it is used:

- `TrialConfig`: one trial of the minimal example; `run`: trains such trials; `TrialResult`: what comes of one.
- `NaNWatch`: a callback for `fit` of a model of one's own; stops at the first number that is not finite, and names it.
- `load_study`: the results table of a study, one recorded with the project, or a file.

The way a trial takes, in the order to read it: `trial.config` (one point of the design), `space` (a search space and
its file), `sweep.loop` (ask, train, journal, track, tell), `engine` (training), `tracking` (MLflow).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.engine import run
    from study.report.tables import load as load_study
    from study.report.watch import NaNWatch
    from study.trial.config import TrialConfig
    from study.trial.result import TrialResult

__version__ = "0.1.0"
__all__ = ["NaNWatch", "TrialConfig", "TrialResult", "__version__", "load_study", "run"]

_PUBLIC = {
    "NaNWatch": ("study.report.watch", "NaNWatch"),
    "TrialConfig": ("study.trial.config", "TrialConfig"),
    "TrialResult": ("study.trial.result", "TrialResult"),
    "load_study": ("study.report.tables", "load"),
    "run": ("study.engine", "run"),
}
"""Public name -> its module and its name there."""


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'study' has no attribute {name!r}; public are {', '.join(__all__)}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)

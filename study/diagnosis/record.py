"""What a diagnosis has measured and tried so far: in memory, or in MLflow, where the same diagnosis goes on from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from study.diagnosis.case import Case
from study.diagnosis.remedies.base import Remedy
from study.diagnosis.result import Diagnosis, Run
from study.diagnosis.subject import EXAMPLE_NAME
from study.trial.design import Configuration
from study.trial.divergence import Divergence
from study.trial.environment import versions

if TYPE_CHECKING:
    from study.diagnosis.progress import Steps
    from study.models.file import ModelFile
    from study.tracking import DiagnosisRuns, KeptTraining
    from study.trial.home import Home


@dataclass(kw_only=True)
class Record:
    """Keeps what was measured and tried in memory: nothing is trained twice.

    Attributes:
        case: What was measured of the unchanged model; None before.
        runs: Trainings with a remedy, by `key`.
    """

    case: Case | None = None
    runs: dict[str, Run] = field(default_factory=dict)

    def keep_case(self, case: Case) -> None:
        self.case = case

    def keep(self, config: Configuration, remedy: Remedy, run: Run) -> None:
        """Keep a training that has ended."""
        self.runs[key(config, remedy)] = run


def key(config: Configuration, remedy: Remedy) -> str:
    """Tells a training from the others of its diagnosis, which differ by nothing else."""
    text = f"{remedy!r} seed={config.seed} updates={config.updates}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def uid(config: Configuration, divergence: Divergence) -> str:
    """Tells a diagnosis from another: the model file's text, all axes, the event, and the versions that compute."""
    known = versions()
    computing = {package: known.get(package) for package in ("tensorflow", "keras", "numpy", "study")}
    text = json.dumps([config.as_json(), str(divergence), computing], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(kw_only=True)
class TrackedRecord(Record):
    """Keeps it in MLflow too.

    Attributes:
        tracked: Where.
    """

    tracked: DiagnosisRuns

    @classmethod
    def open(
        cls, tracked: DiagnosisRuns, *, file: ModelFile | None, config: Configuration, command: str
    ) -> TrackedRecord:
        """Begin a diagnosis in MLflow, or take up one that was begun.

        Raises:
            UserError: The store cannot be used.
        """
        kept = tracked.open(
            name=f"diagnosis of {file.name if file else EXAMPLE_NAME}",
            tags={"command": command, **config.design.tags(config)},
            params=config.params(),
            model=(file.name, file.text) if file else None,
        )
        runs = {name: Run(loss=one.loss, diverged=one.diverged, refused=one.refused) for name, one in kept.items()}
        text = tracked.case()
        return cls(tracked=tracked, runs=runs, case=None if text is None else CASE.validate_json(text))

    def keep_case(self, case: Case) -> None:
        super().keep_case(case)
        text = CASE.dump_json(case, indent=1).decode()
        self.tracked.keep_case(text, _training(case.loss, diverged=case.diverged))

    def keep(self, config: Configuration, remedy: Remedy, run: Run) -> None:
        super().keep(config, remedy, run)
        came = "cannot be made" if run.refused else f"NaN at {len(run.loss)}" if run.diverged else "survived"
        self.tracked.keep(
            key(config, remedy),
            _training(run.loss, diverged=run.diverged, refused=run.refused),
            name=f"{remedy.change}, seed {config.seed}: {came}",
            tags={"remedy": remedy.id, "change": remedy.change},
            params=config.params(),
            seconds=run.seconds,
        )

    def close(self, answer: Diagnosis, *, title: str, page: str, interrupted: bool) -> None:
        """Keep the answer and end the run.

        Raises:
            UserError: The store did not take it.
        """
        cause = answer.cause
        lines = [answer.healthy or ""] if cause is None else [cause.sentence, *(f"- {one}" for one in cause.evidence)]
        self.tracked.close(
            name=f"{title}: {'healthy' if cause is None else cause.id}",
            note="\n".join(lines),
            tags={"cause": "none" if cause is None else cause.id},
            files={"diagnosis.json": json.dumps(answer.as_dict(), allow_nan=False, indent=1), "diagnosis.html": page},
            status="KILLED" if interrupted else "FINISHED",
        )


CASE: TypeAdapter[Case] = TypeAdapter(Case)


@contextmanager
def kept_at(
    home: Home,
    study: str,
    *,
    file: ModelFile | None,
    config: Configuration,
    divergence: Divergence,
    command: str,
    stop: Event,
    steps: Steps,
) -> Iterator[TrackedRecord]:
    """The record of a diagnosis in the stores of a home; one process has it at a time.

    Args:
        home: The stores, which are made where they are missing.
        study: Name of the experiment.
        file: The model file; None of the minimal example.
        config: The trial that is diagnosed.
        divergence: The event that ends a training.
        command: The command line, for the record.
        stop: Whether somebody wants it to end.
        steps: Is told of waiting.

    Raises:
        UserError: The home or the store cannot be used.
        KeyboardInterrupt: It is to end, while another process has the diagnosis.
    """
    from study.sweep.interrupt import raise_if_stopped
    from study.sweep.lock import exclusive_file
    from study.sweep.stores import create_stores
    from study.tracking import DiagnosisRuns

    create_stores(home)
    own = uid(config, divergence)
    with exclusive_file(
        home.folder / "diagnosis.locks" / own,
        on_wait=lambda: steps.say("waiting for another process that makes this diagnosis"),
        meanwhile=lambda: raise_if_stopped(stop),
    ):
        tracked = DiagnosisRuns(uri=home.tracking_uri, study=study, uid=own, artifacts=home.artifacts)
        yield TrackedRecord.open(tracked, file=file, config=config, command=command)


def _training(loss: tuple[float, ...], *, diverged: bool, refused: str | None = None) -> KeptTraining:
    from study.tracking import KeptTraining

    return KeptTraining(loss=loss, diverged=diverged, refused=refused)

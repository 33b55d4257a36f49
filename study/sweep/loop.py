"""The sweep: ask Optuna, let workers train, journal, track in MLflow, tell Optuna.

Only this process writes, and only while it holds the study's lock. A finished trial goes through three
steps, each of which can be taken again after a kill: it is journalled in Optuna (from here on it is
finished), written to MLflow as a run (found again by its trial number), and told to Optuna.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from rich.console import Console

from study.engine import SIDE_BY_SIDE, check_population
from study.models.file import ModelFile
from study.space.samplers import BuildSampler, build_sampler
from study.space.search_space import SearchSpace
from study.sweep.description import sweep_note, sweep_params, sweep_tags
from study.sweep.exhibits import Exhibit, keep_exhibits
from study.sweep.interrupt import raise_if_stopped
from study.sweep.ledger import Ledger, telling_of_storage_errors
from study.sweep.lock import exclusive_study
from study.sweep.options import SweepOptions
from study.sweep.progress import Progress
from study.sweep.schedule import Schedule
from study.sweep.stores import create_stores
from study.sweep.workers.base import OpenWorkers, Train, TrialFailed, Workers, train
from study.tracking import KeptFile, Tracker, Waiting
from study.trial.design import Configuration
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.model_design import ModelDesign
from study.trial.record import Record

if TYPE_CHECKING:
    import pandas as pd

POLL_SECONDS = 0.25

TRIALS_AHEAD = 16
"""Trials for each worker that are asked for before it is free, so that there is a choice to hand out by structure.
A sampler that learns from results is asked for one trial at a time."""


@dataclass(frozen=True, kw_only=True)
class SweepReport:
    """What a sweep came to."""

    table: pd.DataFrame
    """The results table, as `study.tracking.read_results` describes it."""
    interrupted: bool
    """Whether Ctrl-C or SIGTERM stopped it before all trials were finished; what was finished is kept."""
    experiment_id: str
    """The study's id in MLflow."""


def run_sweep(
    space: SearchSpace,
    options: SweepOptions,
    *,
    home: Home,
    console: Console,
    stop: Event | None = None,
    workers: OpenWorkers | None = None,
    sampler: BuildSampler = build_sampler,
    exhibits: Sequence[Exhibit] = (),
    model: ModelFile | None = None,
) -> SweepReport:
    """Run the trials of a study that are not finished yet, all that `space.trials` asks for.

    Args:
        space: What to vary.
        options: How to run it.
        home: Where to keep it.
        console: Where to show progress.
        stop: Set to end the sweep early, keeping what is finished; see `study.sweep.interrupt`.
        workers: What trains; None takes processes as the options say.
        sampler: Makes what chooses the configurations.
        exhibits: What is kept of exemplary trials at the end.
        model: The model file that the space is about; None where that is the example.

    Raises:
        UserError: A store that cannot be used, a study of this name that is another or was trained by another engine,
            or a population for an engine that trains one trial at a time.
        KeyboardInterrupt: `stop` was set while nothing of the sweep's own was under way.
    """
    check_population(options.engine, options.population)
    stop = stop or Event()
    create_stores(home)

    def say(sentence: str) -> None:
        console.print(sentence, highlight=False, soft_wrap=True)

    with (
        telling_of_storage_errors(home.storage_url),
        exclusive_study(
            home.storage_url,
            options.name,
            on_wait=lambda: say(f"another sweep is working on {options.name}; waiting for it to end"),
            meanwhile=lambda: raise_if_stopped(stop),
        ),
    ):
        raise_if_stopped(stop)
        ledger = Ledger.open(
            storage_url=home.storage_url,
            name=options.name,
            space=space,
            seed=options.seed,
            sampler=sampler,
            waiting=Waiting(seconds=options.patience, meanwhile=lambda: raise_if_stopped(stop), say=say),
        )
        try:
            return _Sweep(
                space,
                options,
                home=home,
                ledger=ledger,
                workers=workers or partial(_processes, options, _training(space, model)),
                exhibits=exhibits,
                model=model,
                progress=Progress(console=console, total=space.trials),
                say=say,
                stop=stop,
            ).run()
        finally:
            ledger.close()


def _training(space: SearchSpace, model: ModelFile | None) -> Train:
    if model is None:
        return train
    from study.sweep.workers.of_model import train_on

    assert isinstance(space.design, ModelDesign)
    return train_on(model, space.design)


def _processes(options: SweepOptions, train: Train, at_most: int) -> Workers:
    from study.sweep.workers.dask import DaskWorkers

    return DaskWorkers(
        count=options.workers,
        at_most=at_most,
        scheduler=options.scheduler,
        population=options.population if options.engine in SIDE_BY_SIDE else 1,
        train=train,
    )


class _Sweep:
    """One run of the loop over an open ledger."""

    def __init__(
        self,
        space: SearchSpace,
        options: SweepOptions,
        *,
        home: Home,
        ledger: Ledger,
        workers: OpenWorkers,
        exhibits: Sequence[Exhibit],
        model: ModelFile | None,
        progress: Progress,
        say: Callable[[str], None],
        stop: Event,
    ) -> None:
        self._space = space
        self._options = options
        self._ledger = ledger
        self._open_workers = workers
        self._exhibits = exhibits
        self._model = model
        self._progress = progress
        self._say = say
        self._stop = stop
        self._workers: Workers | None = None
        self._configs: dict[int, Configuration] = {}
        self._asked_for: set[int] = set()
        self._journalled: deque[Record] = deque()
        self._tracker = Tracker(
            uri=home.tracking_uri,
            study=options.name,
            artifacts=home.artifacts,
            waiting=Waiting(seconds=options.patience, meanwhile=self._while_the_tracking_server_is_away, say=say),
        )

    def run(self) -> SweepReport:
        self._check_engine()
        self._tracker.open(
            uid=self._ledger.uid,
            tags=sweep_tags(self._space, self._options),
            params=sweep_params(self._space, self._options),
            axes=self._space.axes,
            varied=self._space.parameters,
            space_yaml=self._space.to_yaml(),
            model=None if self._model is None else KeptFile(path=self._model.path, text=self._model.text),
        )
        try:
            if self._options.retry_failed:
                self._reopen_failed()
            self._take_up()
            left = self._space.trials - self._progress.done
            if left > 0 and not self._stop.is_set() and not self._ledger.is_done():
                self._train_trials(left)
            else:
                self._keep_exhibits(self._open_workers)
            table = self._tracker.table()
            spent = self._progress.done >= self._space.trials
            interrupted = not spent and not self._ledger.is_done()
            if not interrupted:
                self._say_why_it_ended(spent=spent)
            self._tracker.close(
                status="KILLED" if interrupted else "FINISHED",
                table=table,
                note=sweep_note(self._options.name, self._space, table),
            )
        except BaseException:
            self._tracker.abandon()
            raise
        return SweepReport(table=table, interrupted=interrupted, experiment_id=self._tracker.experiment_id)

    def _say_why_it_ended(self, *, spent: bool) -> None:
        """Of a sampler that may stop before all trials are spent."""
        verdict = self._ledger.verdict()
        if verdict is not None:
            trials = (
                f"all {self._space.trials} trials are spent"
                if spent
                else (f"stopped after {self._progress.done} of {self._space.trials} trials")
            )
            self._say(f"{self._options.name}: {trials}; {verdict}")

    def _check_engine(self) -> None:
        """One study, one engine: what two of them round differently would look like what the axes do."""
        name, before, now = self._options.name, self._ledger.engine(), self._options.engine
        if before not in (None, now):
            raise UserError(
                f"--name {name}: this study was begun with the {before} engine, not with the {now} engine; "
                f"go on with --engine {before}, or give this one another name"
            )

    def _reopen_failed(self) -> None:
        """Let failed trials wait again; their runs are deleted when the sweep takes up the study."""
        failed = self._ledger.failed()
        if failed:
            self._ledger.reopen(failed)
            self._say(f"{len(failed)} {'trial' if len(failed) == 1 else 'trials'} that failed will be tried again")

    def _take_up(self) -> None:
        """Bring to an end what an earlier sweep began: tell what it journalled, queue what it ran, forget the rest."""
        for record in self._ledger.finished():
            # Written already, unless somebody deleted the run.
            self._tracker.log_trial(record)
            self._count(record, now=False)
        for record in self._ledger.journalled():
            self._settle(record)
        for number in self._ledger.unfinished():
            # A run that is there would never be written again.
            if number in self._tracker.written:
                self._tracker.delete_trial(number)
        self._ledger.requeue()

    def _train_trials(self, left: int) -> None:
        with self._open_workers(left) as workers:
            self._workers = workers
            if workers.note:
                self._say(workers.note)
            self._say(
                f"{self._options.name}: {left} of {self._space.trials} trials to run on {workers.device}, "
                f"{workers.count * workers.together} at a time, {self._options.engine} engine"
            )
            with self._progress:
                try:
                    self._loop(workers, left)
                finally:
                    self._ledger.requeue()
            self._keep_exhibits(lambda trials: nullcontext(workers))

    def _keep_exhibits(self, workers: Callable[[int], AbstractContextManager[Workers]]) -> None:
        if self._exhibits:
            keep_exhibits(
                self._exhibits,
                (record for record in self._ledger.finished() if record.number in self._asked_for),
                tracker=self._tracker,
                workers=workers,
                say=self._say,
                stopped=self._stop.is_set,
            )

    def _loop(self, workers: Workers, left: int) -> None:
        waiting = Schedule()
        ahead = 0 if self._space.learns else max(TRIALS_AHEAD, 4 * workers.together) * workers.count
        asked = 0
        try:
            while not self._stop.is_set() and (asked < left or len(waiting) or workers.busy or self._journalled):
                # A free worker comes first: writing takes a tenth of a second.
                if workers.free is not None and (len(waiting) or asked < left):
                    while len(waiting) < workers.together and asked < left:
                        if self._ledger.is_done():
                            left = asked
                            break
                        waiting.add(*self._ledger.ask())
                        asked += 1
                    if not len(waiting):
                        continue
                    trials = waiting.take_together(workers.free, at_most=workers.together)
                    self._configs |= trials
                    workers.submit(list(trials.items()), engine=self._options.engine, divergence=self._space.divergence)
                    continue
                idle = False
                if self._journalled:
                    self._settle(self._journalled.popleft())
                elif len(waiting) < ahead and asked < left:
                    waiting.add(*self._ledger.ask())
                    asked += 1
                else:
                    idle = True
                self._collect(workers, timeout=POLL_SECONDS if idle else 0)
        finally:
            # However the loop ends, what the workers have finished by now is finished.
            while self._collect(workers, timeout=0):
                pass
        while self._journalled:
            self._settle(self._journalled.popleft())

    def _collect(self, workers: Workers, *, timeout: float) -> bool:
        """Wait for the next trial to finish, and journal it; whether there was one."""
        try:
            collected = workers.collect(timeout=timeout)
        except UserError:
            # What stopped the sweep may have ended the workers: a signal that went to all processes.
            if self._stop.is_set():
                return False
            raise
        if collected is None:
            return False
        number, outcome = collected
        record = Record(
            number=number,
            config=self._configs.pop(number),
            result=None if isinstance(outcome, TrialFailed) else outcome,
            failure=str(outcome) if isinstance(outcome, TrialFailed) else None,
            end_time=time.time(),
        )
        self._ledger.journal(record)
        self._journalled.append(record)
        return True

    def _settle(self, record: Record) -> None:
        """Track a journalled trial, then tell Optuna."""
        run_id = self._tracker.log_trial(record)
        self._ledger.tell(record, run_id=run_id)
        self._count(record)

    def _count(self, record: Record, *, now: bool = True) -> None:
        if self._ledger.is_asked_for(record):
            self._asked_for.add(record.number)
            self._progress.count(record.result, now=now)

    def _while_the_tracking_server_is_away(self) -> None:
        """Results must not wait in the memory of a worker."""
        if self._workers is not None:
            while self._collect(self._workers, timeout=0):
                pass
        raise_if_stopped(self._stop)

"""Trains a user's model with changes, in processes of its own: they run the user's code, and use all cores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from study.diagnosis.remedies.base import CannotChange, Remedy
from study.diagnosis.result import Run

if TYPE_CHECKING:
    from study.diagnosis.case import Case
    from study.models.file import ModelFile
    from study.trial.model_design import ModelConfig, ModelDesign


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where trainings are run.

    Attributes:
        file: The model file.
        pool: Of processes.
    """

    file: ModelFile
    pool: ProcessPoolExecutor

    def design(self) -> ModelDesign:
        """The axes of the file, read by running it elsewhere.

        Raises:
            ModelError: The file cannot be run.
        """
        return self.pool.submit(_design, self.file).result()

    def examine(self, config: ModelConfig) -> Case:
        """See `study.diagnosis.examine.examine`."""
        return self.pool.submit(_examine, self.file, config).result()

    def submit(self, config: ModelConfig, remedies: Sequence[Remedy]) -> Future[Run]:
        """Train with these changes, made one after another."""
        return self.pool.submit(_run, self.file, config, tuple(remedies))


@contextmanager
def bench(file: ModelFile, *, processes: int) -> Iterator[Bench]:
    """A bench whose processes end with it."""
    pool = ProcessPoolExecutor(max_workers=processes, mp_context=get_context("spawn"), initializer=_quiet)
    try:
        yield Bench(file=file, pool=pool)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _quiet() -> None:
    """Ctrl-C is the command's to answer, and what the user's code prints is none of the answer."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _design(file: ModelFile) -> ModelDesign:
    from study.models.signature import design_of

    return design_of(file)


def _examine(file: ModelFile, config: ModelConfig) -> Case:
    from study.diagnosis.examine import examine

    return examine(file, config)


def _run(file: ModelFile, config: ModelConfig, remedies: tuple[Remedy, ...]) -> Run:
    from study.models.prepared import prepare
    from study.models.trial import train

    prepared = prepare(file, config)
    try:
        for remedy in remedies:
            prepared = remedy.apply(prepared)
    except CannotChange as error:
        return Run(seed=config.seed, loss=(), diverged=True, refused=str(error))
    prepared.model.make_train_function(force=True)
    trained = train(prepared, locate=False)
    return Run(seed=config.seed, loss=trained.loss, diverged=trained.diverged or trained.event is not None)

"""Trains a user's model with changes, in processes of its own: they run the user's code, and use all cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty
from threading import Event
from typing import TYPE_CHECKING, Any

from study.diagnosis.kept_step import KeptStep
from study.diagnosis.place import OnUpdate
from study.diagnosis.remedies.base import Remedy
from study.diagnosis.result import Run
from study.models.blame import ModelError
from study.trial.config import EXAMPLE
from study.trial.divergence import NONFINITE, Divergence

if TYPE_CHECKING:
    from study.diagnosis.case import Case
    from study.models.file import ModelFile
    from study.trial.design import Configuration, Design
    from study.trial.model_design import ModelDesign

POLL_SECONDS = 0.2
"""How often it is looked whether a training has ended, or is to end."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where trainings are run.

    Attributes:
        file: The model file; None trains the minimal example.
        pool: Of processes.
        processes: Their number.
        told: What the training of the unchanged model says of its updates.
        stop: Whether somebody wants it all to end.
        divergence: The event that ends a training before its budget.
    """

    file: ModelFile | None
    pool: ProcessPoolExecutor
    processes: int
    told: multiprocessing.Queue[tuple[int, float]]
    stop: Event
    divergence: Divergence = NONFINITE

    def design(self) -> Design:
        """The axes; those of a file are read by running it elsewhere.

        Raises:
            ModelError: The file cannot be run.
            KeyboardInterrupt: It is to end.
        """
        return EXAMPLE if self.file is None else self._waited_for(self.pool.submit(_design, self.file))

    def examine(self, config: Configuration, on_update: OnUpdate) -> Case:
        """See `study.diagnosis.examine.examine`.

        Raises:
            ModelError: The model cannot be trained.
            KeyboardInterrupt: It is to end.
        """
        examined = self.pool.submit(_examine, self.file, config, self.divergence)
        return self._waited_for(examined, on_update)  # type: ignore[no-any-return]

    def submit(self, config: Configuration, remedy: Remedy) -> Future[Run]:
        """Train with this change."""
        return self.pool.submit(_run, self.file, config, remedy, self.divergence)

    def _waited_for(self, future: Future[Any], on_update: OnUpdate = lambda update, loss: None) -> Any:
        while not wait([future], timeout=POLL_SECONDS).done:
            if self.stop.is_set():
                raise KeyboardInterrupt
            for update, loss in _drained(self.told):
                on_update(update, loss)
        try:
            return future.result()
        except BrokenProcessPool as error:
            name = "the example" if self.file is None else self.file.name
            raise ModelError(f"{name}: ends its process when it is run; is there enough memory?") from error


@contextmanager
def bench(
    file: ModelFile | None, *, processes: int, stop: Event, divergence: Divergence = NONFINITE
) -> Iterator[Bench]:
    """A bench whose processes end with it, in the middle of a training too."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(max_workers=processes, mp_context=context, initializer=_begin, initargs=(told,))
    try:
        yield Bench(file=file, pool=pool, processes=processes, told=told, stop=stop, divergence=divergence)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()


def _drained(told: multiprocessing.Queue[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    while True:
        try:
            yield told.get_nowait()
        except Empty:
            return


_told: multiprocessing.Queue[tuple[int, float]]
"""Of this process, where it is one of a bench."""

_kept = KeptStep()
"""Of this process."""


def _begin(told: multiprocessing.Queue[tuple[int, float]]) -> None:
    """Leave Ctrl-C to the command, drop what the user's code prints, end with the command, set TensorFlow up."""
    import signal
    from importlib import import_module
    from threading import Thread

    global _told
    _told = told
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    Thread(target=_end_with_parent, daemon=True).start()
    import_module("study.engine.runtime")  # before anything else gets hold of TensorFlow


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _design(file: ModelFile) -> ModelDesign:
    from study.models.signature import design_of

    return design_of(file)


def _examine(file: ModelFile | None, config: Any, divergence: Divergence) -> Case:
    def on_update(update: int, loss: float) -> None:
        _told.put((update, loss))

    if file is None:
        from study.diagnosis import example

        return example.examine(config, divergence=divergence, on_update=on_update)
    from study.diagnosis.examine import examine

    return examine(file, config, divergence=divergence, on_update=on_update)


def _run(file: ModelFile | None, config: Any, remedy: Remedy, divergence: Divergence) -> Run:
    if file is None:
        from study.diagnosis import example

        return example.run(config, remedy, divergence=divergence)
    from study.diagnosis.changed import train_changed
    from study.models.prepare import prepare

    return train_changed(lambda: prepare(file, config), remedy, divergence=divergence, kept=_kept)

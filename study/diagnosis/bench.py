"""Trains a user's model with changes, in processes of its own: they run the user's code, and use all cores."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty
from threading import Event
from typing import TYPE_CHECKING, Any

from study.diagnosis.remedies.base import CannotChange, Remedy
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

OnUpdate = Callable[[int, float], None]


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


def _begin(told: multiprocessing.Queue[tuple[int, float]]) -> None:
    """Leave Ctrl-C to the command, drop what the user's code prints, and end when the command does."""
    import signal
    from threading import Thread

    global _told
    _told = told
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    Thread(target=_end_with_parent, daemon=True).start()


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
    from study.models.prepared import prepare
    from study.models.trial import train

    began = time.perf_counter()
    try:
        prepared = remedy.apply(prepare(file, config))
        prepared.model.make_train_function(force=True)
        trained = train(prepared, divergence=divergence, locate=False)
    except (CannotChange, ModelError) as error:
        return Run(loss=(), diverged=True, refused=str(error))
    except Exception as error:  # of the user's own layers, which may take no such change
        return Run(loss=(), diverged=True, refused=f"it cannot be made: {type(error).__name__}: {error}"[:300])
    # A weight that is not finite has spoiled a training whose loss does not show it yet.
    spoiled = trained.diverged or trained.event is not None
    return Run(loss=trained.loss, diverged=spoiled, seconds=time.perf_counter() - began)

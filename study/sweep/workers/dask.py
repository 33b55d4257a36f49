"""The processes that train: a Dask cluster, embedded in the command or elsewhere."""

from __future__ import annotations

import json
import logging
import os
import re
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

# Read when Dask is imported, by the workers too: what happens to them is told by the sweep, in a sentence.
os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"

import dask
import distributed

from study.engine import GPU_POPULATION
from study.sweep.workers.base import Train, TrialFailed, Workers, train, why
from study.sweep.workers.gpus import visible_gpus
from study.sweep.workers.processes import Processes
from study.trial.design import Configuration
from study.trial.divergence import Divergence
from study.trial.environment import available_cores
from study.trial.errors import UserError
from study.trial.result import TrialResult

LIVES = 3
"""How many workers a trial may kill before it counts as failed."""

RESULT_SECONDS = 30
"""How long a worker may take to hand over a result."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """Trials that were handed in together, with their numbers."""

    trials: tuple[tuple[int, Configuration], ...]
    worker: int
    engine: str
    divergence: str
    attempt: int


class DaskWorkers(Workers):
    """Processes that train trials, each one at a time or as many of one structure as the population is.

    Args:
        count: Number of processes that is asked for, see `process_count`.
        at_most: Number of tasks that there are for them.
        scheduler: Address of a Dask scheduler to use instead of processes of this machine.
        population: Trials that a process trains side by side; None leaves it to the engine on this machine's GPUs, and
            takes 1 elsewhere.
        train: What a worker does with trials.

    Raises:
        UserError: The scheduler does not answer.
    """

    def __init__(
        self,
        *,
        count: int | None = None,
        at_most: int | None = None,
        scheduler: str | None = None,
        population: int | None = None,
        train: Train = train,
    ) -> None:
        self._train = train
        self._population: int | None = population or 1
        self.together = population or 1
        self._collected: deque[tuple[int, TrialResult | TrialFailed]] = deque()
        self._done: SimpleQueue[distributed.Future] = SimpleQueue()
        self._free: list[int] = []
        self._tasks: dict[str, _Task] = {}
        self._waiting: deque[_Task] = deque()
        # Keys are the scheduler's, and other sweeps may use it: a trial's number alone would fetch their results.
        self._name = uuid.uuid4().hex
        self._processes: Processes | None = None
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": 0,  # lives are counted here, see `_failed`
                # A worker holds the trial it trains and no other, so no bystander is blamed for its death.
                "distributed.scheduler.worker-saturation": 1.0,
                "distributed.admin.tick.limit": "1h",
                # TensorFlow's memory comes in leaps; killing a worker is the operating system's call.
                "distributed.worker.memory.terminate": False,
                "distributed.worker.memory.pause": False,
                "distributed.worker.memory.spill": False,
                "distributed.worker.memory.target": False,
                # What watches Dask itself, for a dashboard that few open, took 3% of a core here and in each worker.
                "distributed.admin.tick.interval": "1s",
                "distributed.admin.tick.cycle": "10s",
                "distributed.admin.system-monitor.interval": "10s",
                "distributed.admin.system-monitor.gil.enabled": False,
                "distributed.worker.profile.enabled": False,
                # A worker has one trial at a time, and no data but its result: there is nothing to move.
                "distributed.scheduler.work-stealing": False,
                "distributed.scheduler.active-memory-manager.start": False,
            }
        )
        if scheduler:
            self._client = _connect(scheduler)
            self.device = f"the cluster at {scheduler}"
            self.count = len(self._client.nthreads()) or 1
            self._free = list(range(self.count))
            return
        gpus = visible_gpus()
        self.count, self.note = process_count(count, tasks=at_most, gpus=len(gpus), cores=available_cores())
        self.device = f"{len(gpus)} GPU{'s' * (len(gpus) > 1)}" if gpus else "CPU"
        if gpus and population is None:
            self._population, self.together = None, GPU_POPULATION
        self._processes = Processes(self.count, gpus=gpus)
        self._client = distributed.Client(self._processes.address, set_as_default=False)
        self._free = list(range(self.count))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close(timeout=2)
        if self._processes is not None:
            self._processes.close()

    @property
    def busy(self) -> int:
        return len(self._collected) + sum(len(task.trials) for task in (*self._tasks.values(), *self._waiting))

    @property
    def free(self) -> int | None:
        return self._free[0] if self._free else None

    def submit(self, trials: Sequence[tuple[int, Configuration]], *, engine: str, divergence: Divergence) -> None:
        worker = self._free.pop(0)
        task = _Task(trials=tuple(trials), worker=worker, engine=engine, divergence=str(divergence), attempt=1)
        self._submit(task)

    def _submit(self, task: _Task) -> None:
        key = f"trial-{self._name}-{task.trials[0][0]}-{len(task.trials)}-{task.attempt}"
        self._tasks[key] = task
        future = self._client.submit(
            self._train,
            [json.dumps(config.as_json()) for _, config in task.trials],
            task.engine,
            self._population,
            task.divergence,
            key=key,
            pure=False,
            resources=Processes.resource(task.worker) if self._processes else None,
        )
        future.add_done_callback(self._done.put)

    def collect(self, *, timeout: float) -> tuple[int, TrialResult | TrialFailed] | None:
        if not self._collected:
            self._await(timeout)
        while self._waiting and self._free:
            self._submit(replace(self._waiting.popleft(), worker=self._free.pop(0)))
        return self._collected.popleft() if self._collected else None

    def _await(self, timeout: float) -> None:
        """Take in the next task that ends within `timeout` seconds."""
        try:
            future = self._done.get(timeout=timeout) if timeout else self._done.get_nowait()
        except Empty:
            self._check()
            return
        task = self._tasks.pop(future.key)
        self._free.append(task.worker)
        if future.status == "error":
            self._failed(task, future.exception())
            return
        texts = self._fetch(future)
        if texts is not None:
            for (number, config), text in zip(task.trials, texts, strict=True):
                result = TrialResult.from_json(text, design=config.design)
                assert result.config == config
                self._collected.append((number, result))
            return
        if future.status == "cancelled" or self._client.status != "running":
            raise UserError("the Dask scheduler went away; run the same command again when it is back")
        # The worker died between finishing the trial and handing the result over.
        if task.attempt < LIVES:
            self._again(task, attempt=task.attempt + 1)
            return
        lost = TrialFailed(f"its result was lost with its worker process {LIVES} times")
        self._collected.extend((number, lost) for number, _ in task.trials)

    def _check(self) -> None:
        if self._processes is not None:
            self._processes.check()

    def _again(self, task: _Task, *, attempt: int) -> None:
        """Give a task another life, in the worker that had it."""
        self._free.remove(task.worker)
        self._submit(replace(task, attempt=attempt))

    def _failed(self, task: _Task, error: BaseException) -> None:
        """Give up a trial, or give it another life."""
        if len(task.trials) > 1:
            # Nobody knows which of them it was: each by itself from here on, with all its lives.
            self._waiting.extend(replace(task, trials=(trial,), attempt=1) for trial in task.trials)
            return
        reason = why(error)
        if isinstance(error, distributed.KilledWorker):
            lost = task.attempt + error.allowed_failures
            if lost < LIVES:
                self._again(task, attempt=lost + 1)
                return
            reason = f"its worker process died {lost} times, for example for want of memory"
        self._collected.append((task.trials[0][0], TrialFailed(reason)))

    def apply(
        self, function: Callable[..., str], calls: Sequence[tuple[str, ...]], *, stop: Callable[[], bool]
    ) -> Iterator[tuple[int, str | TrialFailed]]:
        done: SimpleQueue[distributed.Future] = SimpleQueue()
        places: dict[str, int] = {}
        futures = []
        # Of this call alone: what the one before cancelled at its end may still be on its way to the scheduler.
        name = uuid.uuid4().hex
        for place, arguments in enumerate(calls):
            key = f"text-{name}-{place}"
            places[key] = place
            futures.append(self._client.submit(function, *arguments, key=key, pure=False))
            futures[-1].add_done_callback(done.put)
        try:
            while places and not stop() and self._client.status == "running":
                try:
                    future = done.get(timeout=0.25)
                except Empty:
                    if not stop():
                        self._check()
                    continue
                place = places.pop(future.key)
                if future.status == "error":
                    yield place, TrialFailed(why(future.exception()))
                else:
                    yield place, self._fetch(future) or TrialFailed("its text was lost with its worker process")
        finally:
            self._client.cancel(futures)

    @staticmethod
    def _fetch(future: distributed.Future) -> Any:
        """The result, or None where no worker has it any more."""
        if future.status != "finished":
            return None
        try:
            return future.result(timeout=RESULT_SECONDS)
        except (distributed.TimeoutError, distributed.CancelledError, distributed.KilledWorker, OSError):
            return None


def process_count(asked: int | None, *, tasks: int | None, gpus: int, cores: int) -> tuple[int, str]:
    """How many processes are started, and what is to be said of it.

    One a GPU, or one a core where there is no GPU. Never more than there are tasks, and never more than there are cores
    (or GPUs, where they are more), whatever is asked for: a process computes in one thread.

    Args:
        asked: What the user asked for; None leaves it open.
        tasks: Tasks that there are; None where nobody knows.
        gpus: Number of GPUs.
        cores: Number of cores.

    Returns:
        The number, and a sentence if it is less than was asked for, else nothing.
    """
    room = max(gpus, cores)
    count = min(asked or gpus or cores, room, max(1, tasks or room))
    if asked is None or asked <= count:
        return count, ""
    enough = "one for each trial left" if tasks is not None and count == tasks else "one for each core"
    if count == gpus > cores:
        enough = "one for each GPU"
    return count, f"--workers {asked}: {count} {'process is' if count == 1 else 'processes are'} started, {enough}"


def _connect(scheduler: str) -> distributed.Client:
    if not re.fullmatch(r"(tcp|tls|ws|wss)://[^\s/:]+:\d+", scheduler):
        raise UserError(f"--scheduler {scheduler}: takes an address such as tcp://127.0.0.1:8786")
    try:
        return distributed.Client(scheduler, timeout=5, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"--scheduler {scheduler}: no Dask scheduler answers there") from error

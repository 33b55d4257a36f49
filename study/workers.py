"""The processes that train: a Dask cluster, embedded in the command or elsewhere."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

# Read when Dask is imported, by the workers too: what happens to them is told by the sweep, in a sentence.
os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"

import dask
import distributed

from study.config import TrialConfig
from study.environment import available_cores
from study.errors import UserError
from study.result import TrialResult

LIVES = 3
"""How many workers a trial may kill before it counts as failed."""

Train = Callable[[str, str], str]
"""Config and engine in, result out, all as text: what travels does not depend on the project's classes."""


def train(config: str, engine: str) -> str:
    """Run one trial in a worker: a config as JSON and an engine's name in, a result as JSON out."""
    from study.engine import run

    return run([TrialConfig.model_validate_json(config)], engine=engine)[0].to_json()


class TrialFailed(Exception):
    """A trial that has no result; the message says why."""


class _Worker(distributed.WorkerPlugin):  # type: ignore[misc]
    """Prepares a worker process, a restarted one too, before anything imports TensorFlow."""

    name = "study"

    def __init__(self, *, gpus: int) -> None:
        self._gpus = gpus

    def setup(self, worker: distributed.Worker) -> None:
        # Ctrl-C reaches every process of the terminal; only the sweep decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(int(worker.name) % self._gpus)


class Workers:
    """Processes that train trials, each one at a time.

    Args:
        count: Number of processes; None takes one a GPU, or one a core where there is no GPU.
        scheduler: Address of a Dask scheduler to use instead of processes of this machine.
        train: What a worker does with a trial.

    Raises:
        UserError: The scheduler does not answer.
    """

    def __init__(self, *, count: int | None = None, scheduler: str | None = None, train: Train = train) -> None:
        self._train = train
        self._done: SimpleQueue[distributed.Future] = SimpleQueue()
        self._numbers: dict[str, int] = {}
        self._cluster: distributed.LocalCluster | None = None
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": LIVES - 1,
                # A worker holds the trial it trains and no other, so no bystander is blamed for its death.
                "distributed.scheduler.worker-saturation": 1.0,
                "distributed.admin.tick.limit": "1h",
                # TensorFlow's memory comes in leaps; killing a worker is the operating system's call.
                "distributed.worker.memory.terminate": False,
                "distributed.worker.memory.pause": False,
                "distributed.worker.memory.spill": False,
                "distributed.worker.memory.target": False,
            }
        )
        if scheduler:
            try:
                self._client = distributed.Client(scheduler, timeout=10, set_as_default=False)
            except OSError as error:
                raise UserError(f"--scheduler {scheduler}: no Dask scheduler answers there") from error
            self.device = f"the cluster at {scheduler}"
            self.count = sum(self._client.nthreads().values()) or 1
            return
        gpus = count_gpus()
        self.count = count or gpus or available_cores()
        self.device = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else "CPU"
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._cluster = distributed.LocalCluster(
                n_workers=self.count,
                threads_per_worker=1,
                memory_limit=None,
                dashboard_address="127.0.0.1:0",
                protocol="tcp",
            )
        finally:
            signal.signal(signal.SIGINT, handler)
        self._client = distributed.Client(self._cluster, set_as_default=False)
        self._client.register_plugin(_Worker(gpus=gpus))

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close(timeout=2)
        if self._cluster is not None:
            self._cluster.close(timeout=5)

    @property
    def busy(self) -> int:
        """Number of trials submitted and not collected."""
        return len(self._numbers)

    def submit(self, number: int, config: TrialConfig, *, engine: str) -> None:
        """Hand in a trial."""
        future = self._client.submit(
            self._train, config.model_dump_json(), engine, key=f"trial-{number}", pure=False, retries=0
        )
        self._numbers[future.key] = number
        future.add_done_callback(self._done.put)

    def collect(self, *, timeout: float) -> tuple[int, TrialResult | TrialFailed] | None:
        """The next finished trial: its number, and its result or why it has none. None after `timeout` seconds.

        Raises:
            UserError: The scheduler went away.
        """
        try:
            future = self._done.get(timeout=timeout) if timeout else self._done.get_nowait()
        except Empty:
            return None
        number = self._numbers.pop(future.key)
        if future.status == "finished":
            return number, TrialResult.from_json(future.result())
        if future.status == "error":
            return number, TrialFailed(_why(future.exception()))
        raise UserError("the Dask scheduler went away; run the same command again when it is back")


def _why(error: BaseException) -> str:
    if isinstance(error, distributed.KilledWorker):
        return f"its worker process died {LIVES} times, for example for want of memory"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}"


def count_gpus() -> int:
    """Number of GPUs that TensorFlow sees.

    Asked in a process of its own, and only where there is a driver: the command itself must stay free of
    TensorFlow, which would take a share of the GPU's memory.
    """
    drivers = [Path("/dev/nvidiactl"), Path("/dev/dxg")]
    if not any(driver.exists() for driver in drivers):
        return 0
    code = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    answer: Any = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    try:
        return int(answer.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return 0

"""The embedded Dask cluster: a scheduler in this process, and worker processes, each under a nanny that restarts it.

`distributed.SpecCluster` does the same, but it dismisses the nanny of a worker that is not there 15 seconds after one
was lost, although the nanny may just be starting the next one, and it can neither be used nor ended while it starts.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from threading import Event, Thread
from typing import Any

import distributed
from distributed.core import Status

from study.trial.errors import UserError

MOST_STARTS = 5
"""How often in a row a worker process is started that ends before it is ready."""

SECONDS_TO_END = 2
"""How long a worker process may take to end before it is killed."""

POLL_SECONDS = 0.05


class Processes:
    """Worker processes of this machine, each with one thread. They start in the background and are restarted for ever.

    Args:
        count: Number of processes.
        gpus: Names of the GPUs that they share, as `CUDA_VISIBLE_DEVICES` takes them; none on CPUs.

    Attributes:
        address: Of the scheduler, for a `distributed.Client`.

    Raises:
        UserError: The scheduler cannot be started.
    """

    address: str

    def __init__(self, count: int, *, gpus: Sequence[str] = ()) -> None:
        self._count = count
        self._gpus = gpus
        self._nannies: list[_Nanny] = []
        self._listening = Event()
        self._failure: Exception | None = None
        self._thread = Thread(target=lambda: asyncio.run(self._run()), name="Dask scheduler and nannies", daemon=True)
        with _started_without_sigint():
            self._thread.start()
        self._listening.wait()
        if self._failure is not None:
            raise UserError(f"no Dask scheduler can be started here ({self._failure})")

    @staticmethod
    def resource(number: int) -> dict[str, int]:
        """What only worker `number` has, restarted or not: of all ways to ask for a worker, one that outlives it."""
        return {f"worker {number}": 1}

    def check(self) -> None:
        """Raise a `UserError` if a worker process is not there and will not be started again."""
        if any(nanny.status in (Status.closing, Status.closed, Status.failed) for nanny in self._nannies):
            raise UserError(
                "a worker process cannot be started, for example for want of memory; "
                "every finished trial is kept: run the same command again when that is mended"
            )

    def close(self) -> None:
        """End all processes, those that are just starting too."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with distributed.Scheduler(host="127.0.0.1", port=0, dashboard_address="127.0.0.1:0") as scheduler:
                self.address = scheduler.address
                self._nannies = [_Nanny(self.address, **self._options(number)) for number in range(self._count)]
                self._listening.set()
                await self._run_nannies()
        except Exception as failure:
            self._failure = failure
            self._listening.set()

    async def _run_nannies(self) -> None:
        starts = asyncio.gather(*self._nannies, return_exceptions=True)
        await self._ending.wait()
        ends = asyncio.gather(*(nanny.close(timeout=SECONDS_TO_END) for nanny in self._nannies), return_exceptions=True)
        while not (starts.done() and ends.done()):
            for nanny in self._nannies:
                nanny.kill_if_starting()
            await asyncio.sleep(POLL_SECONDS)

    def _options(self, number: int) -> dict[str, Any]:
        gpu = {"CUDA_VISIBLE_DEVICES": self._gpus[number % len(self._gpus)]} if self._gpus else {}
        return {
            "name": number,
            "nthreads": 1,
            "memory_limit": None,
            "resources": self.resource(number),
            "env": gpu,
        }


class _Nanny(distributed.Nanny):  # type: ignore[misc]
    """A nanny that gives up a process which never becomes ready."""

    _starts = 0

    async def instantiate(self) -> Status:
        if self._starts == MOST_STARTS:
            await self.close(reason="the process ends before it is ready")
            raise RuntimeError("the process ends before it is ready")
        self._starts += 1
        status = await super().instantiate()
        if status == Status.running:
            self._starts = 0
        return status

    def kill_if_starting(self) -> None:
        """Kill a process that is not ready yet: it would not hear that it is to end before it is."""
        process = self.process
        if process is not None and process.status == Status.starting and process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


@contextmanager
def _started_without_sigint() -> Iterator[None]:
    """What is started meanwhile never hears a Ctrl-C, nor does what that starts: only the sweep decides what it means.

    A terminal sends Ctrl-C to every process. A signal mask is handed down to threads and processes, so that the workers
    have it from their first moment on.
    """
    # Multiprocessing starts this process of its own with the first other one, and lets signals in again then.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Waits for a store that went away: the one way in which a sweep outlives an outage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from study.trial.errors import UserError

Answer = TypeVar("Answer")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds between one question and the next, which double."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How a store that went away is waited for."""

    seconds: float = 600
    """How long to wait in one outage."""
    meanwhile: Callable[[], None] = lambda: None
    """Called again and again while waiting; what it raises ends the waiting."""
    say: Callable[[str], None] = lambda sentence: None
    """Takes a sentence for the person at the terminal."""
    clock: Callable[[], float] = time.monotonic
    """Gives the time in seconds."""
    sleep: Callable[[float], None] = time.sleep


class Patience:
    """Asks a store until it answers, telling of an outage, and gives up after a while.

    Args:
        store: What the store is called in sentences: `the MLflow store http://...`.
        errors: What it may raise.
        may_pass: Whether an error can end by itself.
        reason: An error in a few words.
        waiting: How long to wait, and how.
    """

    def __init__(
        self,
        store: str,
        *,
        errors: tuple[type[Exception], ...],
        may_pass: Callable[[Exception], bool],
        reason: Callable[[Exception], str],
        waiting: Waiting,
    ) -> None:
        self._store = store
        self._errors = errors
        self._may_pass = may_pass
        self._reason = reason
        self._waiting = waiting
        self._given_up: UserError | None = None

    def wait_out(self, ask: Callable[[], Answer], *, again: Callable[[], Answer] | None = None) -> Answer:
        """Do something on the store; wait out an outage, telling of it, until the patience ends.

        Args:
            ask: What to do.
            again: What to do instead once it has failed, when it may have been done all the same.

        Raises:
            UserError: The store refused, or did not answer in time. From then on it is not waited for any more.
        """
        began = self._waiting.clock()
        pause = FIRST_PAUSE
        told = False
        while True:
            try:
                answer = ask()
            except self._errors as error:
                waited = self._waiting.clock() - began
                self._raise_if_hopeless(error, waited=waited, pause=pause)
                if not told:
                    self._waiting.say(
                        f"{self._store} does not answer ({self._reason(error)}); "
                        f"waiting up to {self._waiting.seconds:.0f} seconds for it"
                    )
                told = True
                self._waiting.meanwhile()
                self._waiting.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                ask = again or ask
            else:
                if told:
                    self._waiting.say(f"{self._store} answers again")
                return answer

    def _raise_if_hopeless(self, error: Exception, *, waited: float, pause: float) -> None:
        if not self._may_pass(error):
            raise UserError(
                f"{self._store} refused ({self._reason(error)}); "
                "every finished trial is kept: run the same command again when that is mended"
            ) from error
        if self._given_up is not None:
            raise self._given_up from error
        if waited + pause > self._waiting.seconds:
            self._given_up = UserError(
                f"{self._store} has not answered for {waited:.0f} seconds ({self._reason(error)}); "
                "every finished trial is kept: run the same command again when it does"
            )
            raise self._given_up from error

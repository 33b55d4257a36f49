"""A callback for `fit` that stops at the first update that is not finite and says what was first."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from study.models.epoch_means import losses_of_updates
from study.models.finding import onset_of
from study.models.moment import Moment
from study.models.onset import ModelOnset
from study.models.rows import DataAdapter, adapter_of_fit, arrays_of, rows_of
from study.models.step import Event, Logs, WatchedStep, moments_around
from study.models.walk import Walk
from study.trial.model_sentence import sentence

LOSSES = 1000
"""Whose losses are kept."""


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Stops a training at the first update whose loss, or a weight after it, is not finite.

    It finds the first number that was not finite, by repeating that one update, and prints it in a sentence. A healthy
    training computes the same numbers with it and without it, to the last bit. Beside the training it keeps what its
    first and its last two updates started from: a copy of all variables for each.

    Args:
        verbose: Print the sentence.

    Attributes:
        onset: The first number that was not finite; None where all were.
        sentence: The onset in words; None where there is none.
        before: What the update of the onset started from.
        losses: Numbers of the last updates, and the loss that Keras reported after each: the mean over the epoch.
        walk: What was computed when it was repeated.

    Raises:
        RuntimeError: By `fit`, where Keras does not run on TensorFlow.
    """

    def __init__(self, *, verbose: bool = True) -> None:
        super().__init__()
        self.verbose = verbose
        self.onset: ModelOnset | None = None
        self.before: Moment | None = None
        self.walk: Walk | None = None
        self.losses: deque[tuple[int, Any]] = deque(maxlen=LOSSES)
        self._event: Event | None = None
        self._function: _Watched | None = None
        self._adapter: DataAdapter | None = None
        self._epochs: list[int] = []
        self._times: list[float] = []
        """When the training began, and when its first and its last update ended."""

    @property
    def sentence(self) -> str | None:
        return None if self.onset is None else sentence(self.onset)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"NaNWatch watches Keras on TensorFlow, and this Keras runs on {keras.backend.backend()}"
            )
        self.onset = self.before = self.walk = self._event = None
        self.losses.clear()
        self._epochs.clear()
        self._times = [time.perf_counter()]
        self._adapter = adapter_of_fit()
        self._function = self._watched(self._function)
        self._function.step.start_over()
        self.model.train_function = self._function

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epochs.append(self.updates)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if self._function is not None:
            self._function.expected = True

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        step = None if self._function is None else self._function.step
        if step is not None and logs is not None and "loss" in logs:
            self.losses.append((step.updates, logs["loss"]))
            ended = time.perf_counter()
            self._times = [*(self._times[:2] if len(self._times) > 1 else (self._times[0], ended)), ended]
        event = None if step is None else step.event
        if event is None or self.onset is not None:
            return
        self.model.stop_training = True
        self._event = event
        onset, self.walk = onset_of(self.model, event)
        self.before = event.moment_of(onset.update)
        self.onset = self._row_found(onset, event)
        if self.verbose:
            print(f"\n{self.sentence}")

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._function is not None:
            self.model.train_function = self._function.step.original

    @property
    def updates(self) -> int:
        """How many the last training did."""
        return 0 if self._function is None else self._function.step.updates

    @property
    def start(self) -> Moment:
        """What the first update of the training started from."""
        assert self._function is not None
        assert self._function.step.start is not None
        return self._function.step.start

    @property
    def loss_by_update(self) -> list[float]:
        """Of every update, as it follows from the means that Keras reports; NaN of those that are not kept."""
        means = [(update, float(np.asarray(loss))) for update, loss in self.losses]
        return losses_of_updates(means, self._epochs, updates=self.updates)

    @property
    def planned(self) -> int:
        """Updates that the training would have made; 0 where Keras does not know."""
        return int(self.params.get("epochs") or 0) * int(self.params.get("steps") or 0)

    @property
    def seconds(self) -> tuple[float, float]:
        """From the start to the end of the first update, and for each update after it."""
        began, first, last = self._times
        return first - began, (last - first) / max(1, self.updates - 1)

    def around(self) -> Sequence[tuple[str, Moment]]:
        """What the updates around the onset start from, or the last update, by the names of a page's snapshots."""
        if self._function is None or self._function.step.moment is None:
            return ()
        return tuple(moments_around(self._function.step, self._event, diverged=False))

    def _watched(self, before: _Watched | None) -> _Watched:
        """What stands in for Keras's function: the one of the last training, unless the model was compiled since."""
        current = self.model.train_function
        if isinstance(current, _Watched):
            return current
        if before is not None and before.step.model is self.model and before.step.original is current:
            return before
        return _Watched(WatchedStep(self.model, keeps_start=True))

    def _row_found(self, onset: ModelOnset, event: Event) -> ModelOnset:
        arrays = arrays_of(self._adapter)
        if onset.sample is None or arrays is None:
            return onset
        rows = rows_of(onset.sample, event.moment_of(onset.update).batch, arrays)
        if not rows:
            return onset
        same = f"row {rows[0]} is one of {len(rows)} rows that are the same" if len(rows) > 1 else None
        notes = [note for note in (onset.warning, same) if note]
        return replace(onset, row=rows[0], warning="; ".join(notes) or None)


class _Watched:
    """In the place of `model.train_function`.

    A training that was interrupted leaves it there. It then gives way to Keras's own function as soon as it is called
    by a `fit` that no watch takes part in.
    """

    def __init__(self, step: WatchedStep) -> None:
        self.step = step
        self.expected = False

    def __call__(self, iterator: Iterator[Any]) -> Logs:
        if not self.expected:
            self.step.model.train_function = self.step.original
            return self.step.original(iterator)
        self.expected = False
        return self.step(iterator)

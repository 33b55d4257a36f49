"""Keras's own training step, watched from outside: what every update starts from, and whether it stayed finite.

The step of one batch is Keras's own function, compiled the way the user compiled the model. Around it, in a graph of
its own, the variables are read before the update, and the loss and the weights are looked at after it. What XLA
compiles (`jit_compile=True`) is thereby the same program as without a watch, and rounds the same way: an output more
would change how it fuses operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import tensorflow as tf
from keras import Model

from study.models.finiteness import any_not_finite
from study.models.moment import Batch, Moment, Variable, now
from study.models.state import trained_state, weights_of
from study.models.traced import traced
from study.trial.anatomy import AFTER, AT, BEFORE, LAST

Tensor: TypeAlias = Any
Logs: TypeAlias = Mapping[str, Any]

FINITE, LOSS, WEIGHT = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Event:
    """The first update that left something that is not finite.

    Attributes:
        moment: What it started from.
        loss: Whether the loss that Keras reports is not finite.
        weight: Whether a weight is not finite after it, a trained one or a layer's state such as a moving mean.
        before: What the update before it started from; None where it is the first, or one of several in a call.
        after: What it left, with its own batch.
    """

    moment: Moment
    loss: bool
    weight: bool
    before: Moment | None
    after: Moment

    def moment_of(self, update: int) -> Moment:
        """What an update started from: this one, or the one before."""
        return self.before if self.before is not None and self.before.update == update else self.moment


class WatchedStep:
    """Stands in for `model.train_function`: call it with an iterator of batches, as Keras does.

    It runs `steps_per_execution` updates a call, and none after one that brings an event.

    Args:
        model: Compiled. Its `train_function` is made where it has none.
        each_loss: Set the model's metrics to zero before every update, as `train_on_batch` does, and keep the loss of
            every update. Without it the logs are those of `fit`: means over the epoch so far.
        keeps_start: Keep what the first update started from.

    Attributes:
        original: Keras's function, which does the updates.
        updates: How many have been done.
        moment: What the last update started from; None before the first.
        before: What the update before that started from; None where that is not kept, since a call did several.
        start: What the first update started from, without its batch, where `keeps_start`.
        event: The first update that was not finite; None so far. No update is done after it.
        losses: The loss of every update, where `each_loss`.
    """

    def __init__(self, model: Model, *, each_loss: bool = False, keeps_start: bool = False) -> None:
        model.make_train_function()
        self.model = model
        self.original: Callable[[Iterator[Any]], Logs] = model.train_function
        self.each_loss = each_loss
        self.keeps_start = keeps_start
        self.losses: list[float] = []
        self.updates = 0
        self.moment: Moment | None = None
        self.before: Moment | None = None
        self.start: Moment | None = None
        self.event: Event | None = None
        self._state: list[Variable] | None = None
        self._execute = self._updates
        if not model.run_eagerly:
            self._execute = traced(self._updates)

    def start_over(self) -> None:
        """Count from the first update again, for another training of the same compiled model."""
        self.losses, self.updates, self.event = [], 0, None
        self.moment = self.before = self.start = None

    @property
    def variables(self) -> Sequence[Variable]:
        """All that an update reads or changes; known from the first update on."""
        return self._state or ()

    def __call__(self, iterator: Iterator[Any]) -> Logs:
        """Do the next updates.

        Args:
            iterator: TensorFlow's, of the batches of a dataset; or a Python iterator, as `train_on_batch` gives it.

        Returns:
            The logs of the last update, as Keras's function gives them.

        Raises:
            StopIteration, tf.errors.OutOfRangeError: There is no batch left.
        """
        if not isinstance(iterator, tf.data.Iterator):
            return self.original(iterator)
        if self._state is None and not self.model.run_eagerly:
            self._state = self._traced_state(iterator)
        self._keep_start()
        done, last, losses = self._execute(iterator)
        number, found = map(int, done.numpy())
        if number == 0:
            raise StopIteration
        logs, batch, values = last.get_value() if isinstance(last, tf.experimental.Optional) else last
        self.updates += number
        self.before = self.moment if number == 1 else None
        self.moment = Moment(update=self.updates, variables=self.variables, values=values, batch=batch)
        if self.each_loss:
            self.losses += losses.numpy()[:number].tolist()
        if found:
            self.event = Event(
                moment=self.moment,
                loss=bool(found & LOSS),
                weight=bool(found & WEIGHT),
                before=self.before,
                after=self.left(),
            )
        return logs  # type: ignore[no-any-return]

    def left(self) -> Moment:
        """What the last update left, with its batch: an update more of the same samples starts from it."""
        assert self.moment is not None
        return now(self.variables, update=self.updates + 1, batch=self.moment.batch)

    def _keep_start(self) -> None:
        """As soon as the variables are known, and before the first update."""
        if self.keeps_start and self.start is None and self._state is not None:
            self.start = now(self._state, update=1)

    def _traced_state(self, iterator: Iterator[Any]) -> list[Variable]:
        """The variables of the update's graph.

        Layers and the optimizer may be built while it is traced. Keras's function keeps the trace, so that the
        watched one does not trace it again.
        """
        update = tf.function(lambda batches: self.original(iter([batches.get_next()])))
        return trained_state(self.model, of_graph=update.get_concrete_function(iterator).graph.variables)

    def _updates(self, iterator: Any) -> tuple[Tensor, Any, Tensor]:
        """Updates until `steps_per_execution`, the end of the data or an event.

        Returns:
            Their number and the outcome of the last one, (2,), in one tensor since fetching each takes its time; logs,
            batch and values of the last one, in an optional where there may be none; the losses,
            (steps_per_execution,) or empty.
        """
        steps = self.model.steps_per_execution
        losses = tf.zeros([steps if self.each_loss else 0])
        if steps == 1:
            last, found = self._update(iterator.get_next())
            if self.each_loss:
                losses = self._loss(last[0])[tf.newaxis]
            return tf.stack([1, found]), last, losses
        nothing = tf.experimental.Optional.empty(None)

        def more(number: Tensor, found: Tensor, last: Any, following: Any, losses: Tensor) -> Tensor:
            return (number < steps) & (found == FINITE) & following.has_value()

        def update(number: Tensor, found: Tensor, last: Any, following: Any, losses: Tensor) -> Any:
            done, found = self._update(following.get_value())
            last = tf.experimental.Optional.from_value(done)
            nothing._element_spec = last.element_spec  # known once the loop's body is traced
            if self.each_loss:
                losses = tf.tensor_scatter_nd_update(losses, [[number]], [self._loss(done[0])])
            following = tf.cond(
                (number + 1 < steps) & (found == FINITE), iterator.get_next_as_optional, lambda: following
            )
            return number + 1, found, last, following, losses

        number, found, last, _, losses = tf.while_loop(
            more, update, [tf.constant(0), tf.constant(FINITE), nothing, iterator.get_next_as_optional(), losses]
        )
        last._element_spec = nothing.element_spec
        return tf.stack([number, found]), last, losses

    def _update(self, batch: Batch) -> tuple[tuple[Logs, Batch, Sequence[Tensor]], Tensor]:
        """One update: its logs, its batch, the values it started from, and its outcome."""
        if self._state is None:
            self._state = trained_state(self.model, batch=batch)
            self._keep_start()
        values = tuple(variable.read_value() for variable in self._state)
        if self.each_loss:
            self.model.reset_metrics()
        logs = self.original(iter([batch]))
        return (logs, batch, values), self._outcome(logs)

    def _outcome(self, logs: Logs) -> Tensor:
        losses = map(tf.convert_to_tensor, _losses(logs))
        loss = any_not_finite([value for value in losses if value.dtype.is_floating])
        weight = any_not_finite([tf.convert_to_tensor(weight.value) for weight in weights_of(self.model)])
        return LOSS * tf.cast(loss, tf.int32) + WEIGHT * tf.cast(weight, tf.int32)

    def _loss(self, logs: Logs) -> Tensor:
        return tf.cast(tf.convert_to_tensor(next(iter(_losses(logs)), float("nan"))), tf.float32)


def moments_around(step: WatchedStep, event: Event | None, *, diverged: bool) -> Iterator[tuple[str, Moment]]:
    """What the updates that a page shows start from, by the names of its snapshots.

    Args:
        step: What did the updates.
        event: The first that was not finite.
        diverged: Whether the last one was the event that ended the training.
    """
    assert step.moment is not None
    if event is None and not diverged:
        yield LAST, step.moment
        return
    before = step.before if event is None else event.before
    if before is not None:
        yield BEFORE, before
    yield AT, step.moment if event is None else event.moment
    yield AFTER, step.left() if event is None else event.after


def _losses(logs: Logs) -> Sequence[Any]:
    """What is trained on: Keras's own loss, which sums all outputs', or those that a training step gives in its place.

    Beside Keras's own, an entry with such a name can be a metric, and may be NaN without harm.
    """
    if "loss" in logs:
        return [logs["loss"]]
    return [value for name, value in logs.items() if name.endswith("_loss") or name.startswith("loss_")]

"""The training step that was traced last in this process, for the next training of the same graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.models.prepared import Prepared
    from study.models.step import WatchedStep


@dataclass(kw_only=True)
class KeptStep:
    """Of one training: the seeds of a remedy come one after another, and so do the learning rates of a search.

    Attributes:
        graph: What it is the graph of; None where there is none, or that cannot be told.
        step: Traced, with the model that it trains.
    """

    graph: str | None = None
    step: WatchedStep | None = None

    def ready(self, prepared: Prepared) -> tuple[Prepared, WatchedStep]:
        """A trial and the step that trains it: that of the last training where the graph is the same, else a new one.

        Args:
            prepared: The trial, changed by its remedy.

        Returns:
            The trial, perhaps with another model that begins from the same numbers, and its step.
        """
        from study.models.same_graph import graph_of, take_over
        from study.models.step import WatchedStep

        graph = graph_of(prepared)
        if self.step is not None and graph is not None and graph == self.graph and take_over(self.step, prepared):
            return replace(prepared, model=self.step.model), self.step
        prepared.model.make_train_function(force=True)  # one that was traced before would not know the change
        self.graph, self.step = graph, WatchedStep(prepared.model, each_loss=True)
        return prepared, self.step

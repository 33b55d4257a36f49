"""The callback for a `fit` of one's own, with the page that it writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from study.models.compiled_with import compiled_with
from study.models.snapshots import anatomy_of_updates
from study.models.watch import Watch
from study.report.pages.anatomy import About, Story, render
from study.trial.anatomy import BEFORE, Anatomy
from study.trial.environment import versions
from study.trial.errors import UserError

NOT_KEPT = (
    "The update before is not shown: with steps_per_execution above 1, fit keeps only what the last update of a call "
    "started from."
)


class NaNWatch(Watch):
    """Stops a training at the first update whose loss, or a weight after it, is not finite; says what was first.

    A healthy training computes the same numbers with it and without it, to the last bit.

    ```python
    watch = NaNWatch()
    model.fit(x, y, callbacks=[watch])
    watch.onset, watch.sentence
    watch.write("nan.html")
    ```

    Args and attributes are those of `study.models.watch.Watch`.
    """

    def write(self, path: str | Path) -> Path:
        """Write the anatomy of the training as one HTML page: what was before, at and after its onset.

        The updates are repeated for it; the model is left as it was found. Of a training that stayed finite, the page
        shows the last update.

        Args:
            path: The file, which is replaced.

        Returns:
            The file's path.

        Raises:
            UserError: There was no training yet, or the file cannot be written.
        """
        file = Path(path)
        if not self.updates:
            raise UserError(f"NaNWatch.write {file}: no update was watched yet; give the watch to fit as a callback")
        page = self.page()
        try:
            file.write_text(page, encoding="utf-8")
        except OSError as error:
            raise UserError(f"NaNWatch.write {file}: cannot be written ({error.strerror or error})") from error
        return file

    def page(self) -> str:
        """What `write` writes."""
        seen = anatomy_of_updates(self.model, self.around(), onset=self.onset)
        if self.onset is not None and self.onset.update > 1 and self.around()[0][0] != BEFORE:
            seen["notes"] = (*seen["notes"], NOT_KEPT)
        return render(Anatomy(**seen), About(title=str(self.model.name), versions=versions()), self._story())

    def _story(self) -> Story:
        healthy = f"No loss and no weight stopped being finite in {self.updates} updates."
        stopped = f"fit was stopped after update {self.updates}."
        return Story(
            verdict=self.sentence or healthy,
            described=f"fit did {self.updates} updates." if self.onset is None else stopped,
            configuration=[(name, value, False) for name, value in compiled_with(self.model).items()],
            losses=[(update, float(np.asarray(loss))) for update, loss in self.losses],
            loss="Loss as fit reports it, the mean over the epoch so far",
            updates=self.updates,
            trained_by="Keras's fit",
        )

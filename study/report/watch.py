"""The callback for a `fit` of one's own, with the page that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from study.models.compiled_with import compiled_with
from study.models.snapshots import anatomy_of_updates
from study.models.step import Logs
from study.models.watch import Watch
from study.report.pages.anatomy import About, Story, render
from study.trial.anatomy import BEFORE, Anatomy
from study.trial.environment import versions
from study.trial.errors import UserError

if TYPE_CHECKING:
    from study.diagnosis.record import Record
    from study.diagnosis.result import Diagnosis

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
    found = watch.diagnose()
    found.cause, found.remedies
    ```

    It holds the model and the data that `fit` was given until its next training.

    Args and attributes are those of `study.models.watch.Watch`.
    """

    def __init__(self, *, verbose: bool = True) -> None:
        super().__init__(verbose=verbose)
        self._record: Record | None = None
        self._optimizer: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._record, self._optimizer = None, self.model.optimizer

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
        return _write(file, self.page(), by="write")

    def diagnose(self, *, trials: int = 30, minutes: float = 10.0, out: str | Path | None = None) -> Diagnosis:
        """Say why the training went to NaN, and run what may help against it.

        The cause is concluded from measurements: the update of the onset is repeated with something changed. Each
        remedy is then trained on the model itself, on the data that `fit` was given and without its callbacks: from
        the weights that `fit` began with, and by two other seeds with the rows in another order and, where it began
        with weights that the model's initializers draw, with others of these. The model is then as it was: weights,
        optimizer, settings, history, and the random states of Keras, Python, NumPy and TensorFlow.

        Ctrl-C ends it; called again, it goes on from there.

        Args:
            trials: Trainings with a remedy, at most.
            minutes: After which none is waited for.
            out: An HTML file to write: the evidence, and the losses of each remedy.

        Returns:
            The cause with its evidence, and the remedies, best first; `print` shows them, and `table` is one of pandas.
            Where nothing went wrong, `cause` is None and `healthy` says what was measured.

        Raises:
            UserError: There was no training yet, the model was compiled anew after it, or the file cannot be written.
            KeyboardInterrupt: By Ctrl-C; what was tried is kept.
        """
        from study.diagnosis.record import Record
        from study.diagnosis.session import Watched, diagnose_watched
        from study.report.pages.diagnosis import render as page_of_diagnosis

        if not self.updates:
            raise UserError("NaNWatch.diagnose: no update was watched yet; give the watch to fit as a callback")
        if self.model.optimizer is not self._optimizer:
            raise UserError("NaNWatch.diagnose: the model was compiled anew after fit; call fit with the watch again")
        self._record = self._record or Record()
        watched = Watched(
            model=self.model,
            adapter=self._adapter,
            start=self.start,
            onset=self.onset,
            event=self._event,
            walked=self.walk,
            losses=self.loss_by_update,
            planned=self.planned,
            seconds_before=self.seconds[0],
            seconds=self.seconds[1],
        )
        found = diagnose_watched(watched, record=self._record, trials=trials, minutes=minutes, quiet=not self.verbose)
        if self.verbose:
            print(found.answer)
        if out is not None:
            _write(Path(out), page_of_diagnosis(found, title=str(self.model.name)), by="diagnose")
        return found

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


def _write(file: Path, page: str, *, by: str) -> Path:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"NaNWatch.{by} {file}: cannot be written ({error.strerror or error})") from error
    return file

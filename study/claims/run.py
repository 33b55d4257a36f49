"""Runs the trials that the claims need as a sweep, and shows and keeps the verdicts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pandas as pd
from rich.console import Console

from study.claims.comparisons import GROWTH_AT
from study.claims.contrast import Claims, Contrast, trials_of, trials_of_remedies, without_budget
from study.claims.keras_runs import fit
from study.claims.remedies import ranked_remedies
from study.claims.samples import Trials
from study.claims.show import show, show_remedies
from study.claims.verdicts import Verdicts, contrast_samples, decided, verdicts
from study.space.search_space import SearchSpace
from study.sweep.loop import run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.base import OpenWorkers
from study.tracking import KERAS_RUNS, REMEDIES, attach, read_kept, read_metric
from study.trial.config import Semantics, TrialConfig
from study.trial.errors import UserError
from study.trial.home import Home


def choose(claims: Claims, *, only: Collection[str] = (), replicates: int | None = None) -> tuple[Contrast, ...]:
    """The contrasts to run, with their number of seeds.

    Args:
        claims: All of them.
        only: Ids of claims or of contrasts; none chooses all.
        replicates: Seeds in every arm, instead of the file's.

    Raises:
        UserError: An id that is not in the file.
    """
    known = {contrast.id for contrast in claims.contrasts} | {contrast.claim for contrast in claims.contrasts}
    for name in only:
        if name not in known:
            raise UserError(f"--only {name}: is not in {claims.source}; there are {', '.join(_ids(claims.contrasts))}")
    chosen = [c for c in claims.contrasts if not only or c.id in only or c.claim in only]
    return tuple(_with(contrast, replicates) for contrast in chosen)


def _with(contrast: Contrast, replicates: int | None) -> Contrast:
    if replicates is None:
        return contrast
    return replace(contrast, replicates=replicates, look=min(contrast.look, replicates))


@dataclass(frozen=True, kw_only=True)
class ClaimsRun:
    """Runs what a file of claims asks, and keeps what came of it with the study's parent run."""

    claims: Claims
    options: SweepOptions
    """How to run the sweep; its seed is that of the replicates' seeds."""
    semantics: Sequence[Semantics]
    """Those to run and judge."""
    home: Home
    """Where to keep it."""
    console: Console
    """Where to show it."""
    stop: Event | None = None
    """As for `run_sweep`."""
    workers: OpenWorkers | None = None
    """As for `run_sweep`."""

    def verdicts(self, *, only: Collection[str] = (), replicates: int | None = None) -> Verdicts | None:
        """Run the trials that are not finished yet, then judge, show and keep.

        The family that verdicts are corrected for is always the whole file's: what was not run counts as not resolved.
        Of contrasts that one case decides the seeds of their look are run first, and the others where it has not.

        Args:
            only: As for `choose`.
            replicates: As for `choose`.

        Returns:
            The verdicts on all contrasts of the file; None where it was stopped before all trials were finished.

        Raises:
            UserError: As of `run_sweep`, `choose` and `study.claims.keras_runs.fit`.
        """
        chosen = choose(self.claims, only=only, replicates=replicates)
        judged = replace(self.claims, contrasts=choose(self.claims, replicates=replicates))
        seed, semantics = self.options.seed, self.semantics
        first = trials_of(
            chosen, semantics=semantics, seed=seed, short=lambda contrast, _: contrast.quantifier != "mostly"
        )
        if not first:
            raise UserError(
                f"--only {' '.join(only)}: is not asked under {' or '.join(semantics)}; see {self.claims.source}"
            )
        table = self._trained(first)
        if table is None:
            return None
        settled = decided(judged, table, semantics=semantics, seed=seed)
        every = trials_of(chosen, semantics=semantics, seed=seed, short=lambda c, under: (c.id, under) in settled)
        if len(every) > len(first):
            table = self._trained(_longest([*first, *every]))
        if table is None:
            return None
        uri, study = self.home.tracking_uri, self.options.name
        kept = read_kept(uri=uri, study=study, name=KERAS_RUNS)
        asked = chosen if "keras-3" in semantics else ()
        fits = fit(asked, seed=seed, known=kept, stop=self.stop)
        if self.stop is not None and self.stop.is_set():
            return None
        table = with_growth(table, judged, semantics=semantics, uri=uri, seed=seed)
        found = verdicts(judged, table, semantics=semantics, seed=seed, keras_runs=fits)
        show(found, chosen, console=self.console)
        tags = {f"verdict.{row.claim}.{row.semantics}": str(row.verdict) for row in found.claims.itertuples()}
        self._keep({"claims": found.contrasts, "claims_arms": found.arms, KERAS_RUNS: fits}, tags=tags)
        return found

    def remedies(self, *, replicates: int | None = None) -> pd.DataFrame | None:
        """Run the trials of the remedies that are not finished yet, then rank, show and keep.

        Args:
            replicates: As for `choose`.

        Returns:
            As `study.claims.remedies.ranked_remedies`; None where it was stopped before all trials were finished.

        Raises:
            UserError: As of `run_sweep`.
        """
        asked = tuple(replace(one, replicates=replicates or one.replicates) for one in self.claims.remedies)
        seed = self.options.seed
        table = self._trained(trials_of_remedies(asked, semantics=self.semantics, seed=seed))
        if table is None:
            return None
        ranked = ranked_remedies(replace(self.claims, remedies=asked), table, semantics=self.semantics, seed=seed)
        show_remedies(ranked, console=self.console)
        self._keep({REMEDIES: ranked}, tags={})
        return ranked

    def _trained(self, trials: Sequence[TrialConfig]) -> pd.DataFrame | None:
        """The study's table with these trials finished; None where it was stopped before."""
        space = SearchSpace.listed(trials, about=self.claims.about, source=self.claims.source)
        report = run_sweep(
            space, self.options, home=self.home, console=self.console, stop=self.stop, workers=self.workers
        )
        return None if report.interrupted else report.table

    def _keep(self, tables: Mapping[str, pd.DataFrame], *, tags: Mapping[str, str]) -> None:
        with TemporaryDirectory() as name:
            folder = Path(name)
            for stem, table in tables.items():
                table.to_csv(folder / f"{stem}.csv", index=False)
                table.to_parquet(folder / f"{stem}.parquet", index=False)
            (folder / "claims.yaml").write_text(Path(self.claims.source).read_text(encoding="utf-8"), encoding="utf-8")
            attach(uri=self.home.tracking_uri, study=self.options.name, folder=folder, tags=tags)


def _longest(trials: Iterable[TrialConfig]) -> list[TrialConfig]:
    """Each trial once, with the largest budget that it is asked with."""
    found: dict[TrialConfig, TrialConfig] = {}
    for trial in trials:
        key = without_budget(trial)
        if key not in found or found[key].updates < trial.updates:
            found[key] = trial
    return list(found.values())


def with_growth(
    table: pd.DataFrame, claims: Claims, *, semantics: Iterable[Semantics], uri: str, seed: int
) -> pd.DataFrame:
    """The results table with the growth of the cell state at a contrast's update, whatever came of the trial later.

    It is that of the last update before whose growth is kept, and infinite where a trial was not finite by then.
    """
    found: dict[str, float] = {}
    trials = Trials(table)
    for contrast in claims.contrasts:
        if contrast.at_update is None:
            continue
        for under in set(semantics) & set(contrast.under):
            for sample in contrast_samples(contrast, trials, under=under, seed=seed):
                for trial in sample.trials:
                    run_id = str(trial.row["run_id"])
                    found[run_id] = (
                        math.inf
                        if trial.diverged and trial.updates <= contrast.at_update
                        else _last(read_metric(run_id, "cell_growth", uri=uri), contrast.at_update)
                    )
    return table.assign(**{GROWTH_AT: table["run_id"].map(found).astype("float64")})


def _last(values: Mapping[int, float], update: int) -> float:
    kept = [at for at in values if at <= update]
    return values[max(kept)] if kept else math.nan


def _ids(contrasts: Iterable[Contrast]) -> list[str]:
    return [contrast.id for contrast in contrasts]

"""Runs the trials that the claims need as a sweep, and shows and keeps the verdicts."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from study.claims.contrast import Claims, Contrast, seeds_of, trials_of
from study.claims.verdicts import LOSSES, VERDICTS, Verdicts, verdicts
from study.space.search_space import SearchSpace
from study.sweep.loop import run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.base import OpenWorkers
from study.tracking import attach, read_trial
from study.trial.config import EXAMPLE, Semantics
from study.trial.errors import UserError
from study.trial.home import Home

INDENT = 6
STYLES = {"supported": "green", "contradicted": "red", "not resolved": "yellow"}


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
    return tuple(replace(c, replicates=replicates or c.replicates) for c in chosen)


def run_claims(
    claims: Claims,
    options: SweepOptions,
    *,
    semantics: Sequence[Semantics],
    home: Home,
    console: Console,
    only: Collection[str] = (),
    replicates: int | None = None,
    stop: Event | None = None,
    workers: OpenWorkers | None = None,
) -> Verdicts | None:
    """Run the trials that are not finished yet, then judge, show and keep.

    The family that verdicts are corrected for is always the whole file's: what was not run counts as not resolved.

    Args:
        claims: The contrasts, at their scale.
        options: How to run the sweep; its seed is that of the replicates' seeds.
        semantics: Those to run and judge.
        home: Where to keep it.
        console: Where to show it.
        only: As for `choose`.
        replicates: As for `choose`.
        stop: As for `run_sweep`.
        workers: As for `run_sweep`.

    Returns:
        The verdicts on all contrasts of the file; None where it was stopped before all trials were finished.

    Raises:
        UserError: As of `run_sweep` and `choose`.
    """
    chosen = choose(claims, only=only, replicates=replicates)
    judged = replace(claims, contrasts=choose(claims, replicates=replicates))
    trials = trials_of(chosen, semantics=semantics, seed=options.seed)
    if not trials:
        raise UserError(f"--only {' '.join(only)}: is not asked under {' or '.join(semantics)}; see {claims.source}")
    space = SearchSpace.listed(trials, about=claims.about, source=claims.source)
    report = run_sweep(space, options, home=home, console=console, stop=stop, workers=workers)
    if report.interrupted:
        return None
    table = with_losses(report.table, judged.contrasts, uri=home.tracking_uri, seed=options.seed)
    found = verdicts(judged, table, semantics=semantics, seed=options.seed)
    show(found, chosen, console=console)
    keep(found, uri=home.tracking_uri, study=options.name, source=Path(claims.source))
    return found


def with_losses(table: pd.DataFrame, contrasts: Iterable[Contrast], *, uri: str, seed: int) -> pd.DataFrame:
    """The results table with a fingerprint of all losses where reproducibility is asked about."""
    seeds = {
        value
        for contrast in contrasts
        if contrast.statistic == "repeat"
        for value in seeds_of(contrast.replicates, seed=seed)
    }
    axes = list(EXAMPLE.axes.columns)
    asked = (table["outcome"] != "failed") & table["seed"].isin(seeds) & table.duplicated(axes, keep=False)
    prints = {run_id: _fingerprint(read_trial(run_id, uri=uri).loss) for run_id in table.loc[asked, "run_id"]}
    return table.assign(**{LOSSES: table["run_id"].map(prints)})


def _fingerprint(losses: Sequence[float]) -> str:
    return hashlib.sha256(" ".join(map(str, losses)).encode()).hexdigest()


def keep(found: Verdicts, *, uri: str, study: str, source: Path) -> None:
    """Keep the verdicts with the study's parent run: tables and the file of claims as artifacts, verdicts as tags."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for stem, table in (("claims", found.contrasts), ("claims_arms", found.arms)):
            table.to_csv(folder / f"{stem}.csv", index=False)
            table.to_parquet(folder / f"{stem}.parquet", index=False)
        (folder / "claims.yaml").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        tags = {f"verdict.{row.claim}.{row.semantics}": str(row.verdict) for row in found.claims.itertuples()}
        attach(uri=uri, study=study, folder=folder, tags=tags)


def show(found: Verdicts, chosen: Iterable[Contrast], *, console: Console) -> None:
    """Print the verdicts on the chosen contrasts, semantics by semantics, and the counts by claim."""
    ids = set(_ids(chosen))
    for under, rows in found.contrasts[found.contrasts["contrast"].isin(ids)].groupby("semantics", sort=False):
        console.print(f"\nClaims under {under}", style="bold", highlight=False)
        for row in rows.to_dict("records"):
            arms = found.arms[(found.arms["semantics"] == under) & (found.arms["contrast"] == row["contrast"])]
            console.print(_headline(row))
            console.print(Padding(_details(row, arms), (0, 0, 0, INDENT)))
        counts = found.claims[(found.claims["semantics"] == under) & found.claims["claim"].isin(set(rows["claim"]))]
        tally = ", ".join(f"{(counts['verdict'] == verdict).sum()} {verdict}" for verdict in VERDICTS)
        console.print(f"{len(counts)} claims under {under}: {tally}", style="bold", highlight=False)
    console.print(
        "\nk/n: of n trials or seeds, k go as said, in the arm that decides; with the 95% interval of the share; "
        "p: after Holm's correction, over all contrasts of the file; median: of the time to NaN, by arm",
        style="dim",
        highlight=False,
    )


def _headline(row: Mapping[Any, Any]) -> Text:
    threshold = (
        f"{row['side']} {row['threshold']:g}" if row["side"] != "ever" else f"at all, or below {row['threshold']:g}"
    )
    share = f"{row['successes']}/{row['observations']} ({row['low']:.2f} to {row['high']:.2f}; {threshold})"
    return Text.assemble(
        f"{row['contrast']:<{INDENT}}",
        (f"{row['verdict']:<14}", STYLES[row["verdict"]]),
        f"{share}, p {row['p_adjusted']:.2g}",
    )


def _details(row: Mapping[Any, Any], arms: pd.DataFrame) -> Text:
    medians = [
        f"{arm['arm']}: {'-' if pd.isna(arm['median']) else format(arm['median'], 'g')}"
        for arm in arms.to_dict("records")
    ]
    note = f" [{row['note']}]" if row["note"] else ""
    return Text.assemble(row["statement"], (f" Median {'; '.join(medians)}.", "dim"), (note, "yellow"))


def _ids(contrasts: Iterable[Contrast]) -> list[str]:
    return [contrast.id for contrast in contrasts]

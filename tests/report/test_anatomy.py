"""The anatomy page: what is reduced to what, what a page holds, and the commands that write one."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import sqlite3
from collections.abc import Mapping
from contextlib import nullcontext
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from study.analysis.exemplary import exemplary_trials
from study.cli.command import Refused
from study.cli.main import study as commands
from study.diagnosis.causes import CAUSES
from study.report.anatomy import page_text
from study.report.figures.anatomy import ColourScale, fitted_growth
from study.report.pages.anatomy import About, number, other_versions, render, warnings
from study.space.file import parse
from study.sweep.exhibits import LONGEST_SECONDS, NOT_KEPT, Exhibit, exemplary_numbers, keep_exhibits
from study.sweep.workers.base import TrialFailed, train
from study.tracking import Tracker, read_results
from study.tracking.client import NOTE
from study.trial.anatomy import TrialAnatomy
from study.trial.config import TrialConfig
from study.trial.home import Home
from study.trial.record import Record
from study.trial.reduction import Heatmap, Histogram, Statistics
from study.trial.result import TrialResult
from study.trial.sentence import verdict
from tests.analysis.made_up_trials import results_table
from tests.processes import Study
from tests.stores import mlflow_runs
from tests.sweep.in_process import page_exhibit, sweep

SHORT = {"units": 4, "timesteps": 12, "features": 3, "batch_size": 4, "clipnorm": None, "max_norm": None}
DIVERGES = TrialConfig(**SHORT, learning_rate=1e30, updates=8)
SURVIVES = TrialConfig(**SHORT, learning_rate=1e-3, updates=8)


# --- reducing -------------------------------------------------------------------------------------------------------


def test_statistics_are_numpys_own() -> None:
    values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    found = Statistics.of(values)
    expected = values.astype(np.float64)
    assert found.mean == pytest.approx(expected.mean())
    assert found.std == pytest.approx(expected.std())
    assert (found.minimum, found.maximum) == (expected.min(), expected.max())
    assert (found.smallest, found.largest) == (abs(expected).min(), abs(expected).max())
    assert found.nonfinite == 0


def test_statistics_of_what_is_not_finite_say_so_and_those_of_huge_numbers_do_not_overflow() -> None:
    """The question shows outputs with mean inf, std NaN, min 0 and max inf."""
    found = Statistics.of(np.array([0, 1, np.inf, 2], np.float32))
    assert (found.mean, found.minimum, found.maximum, found.nonfinite) == (math.inf, 0, math.inf, 0.25)
    assert math.isnan(found.std)
    huge = Statistics.of(np.full(10, 3e38, np.float32))
    assert huge.mean == pytest.approx(3e38)
    assert huge.std == pytest.approx(0, abs=1e30)


def test_a_heatmap_shows_the_largest_of_a_block_and_nan_before_all() -> None:
    matrix = np.ones((4, 6), np.float32)
    matrix[0, 1], matrix[3, 0], matrix[2, 3], matrix[3, 2], matrix[0, 4] = -5, -np.inf, np.nan, np.inf, 7
    found = Heatmap.of(matrix, pixels=(2, 3))
    np.testing.assert_array_equal(found.pixels, [[-5, 1, 7], [-np.inf, np.nan, 1]])
    assert found.shape == (4, 6)
    whole = Heatmap.of(matrix, pixels=(4, 6))
    np.testing.assert_array_equal(whole.pixels, matrix)


def test_a_heatmap_loses_no_edge_of_a_matrix_that_does_not_divide() -> None:
    matrix = np.zeros((5, 7), np.float32)
    matrix[4, 6] = 3
    found = Heatmap.of(matrix, pixels=(2, 3))
    assert found.pixels.shape == (2, 3)
    assert found.pixels[1, 2] == 3
    assert np.count_nonzero(found.pixels) == 1


def test_a_histogram_counts_every_number_once_from_the_smallest_float32_to_the_largest() -> None:
    values = np.array([1e-45, 1, 1.5, 2, -3.4e38, 0, -0.0, np.inf, -np.inf, np.nan, np.nan], np.float32)
    found = Histogram.of(values)
    assert found.positive == {-148: 1, 1: 2, 2: 1}  # 2**-149 is the smallest float32
    assert found.negative == {128: 1}
    assert (found.zero, found.plus_infinity, found.minus_infinity, found.nan) == (2, 1, 1, 2)


@pytest.mark.parametrize("values", [[0.0], [np.nan, np.inf], [1e-45], [3.4e38, 1e-30], [-1.0, 2.0], [0.1] * 5])
def test_a_scale_holds_every_finite_number(values: list[float]) -> None:
    scale = ColourScale.of([Histogram.of(np.array(values, np.float32))])
    assert 0 < scale.linear < scale.largest
    assert all(abs(value) <= scale.largest for value in values if math.isfinite(value))
    places = [float(scale.norm(value)) for value in values if math.isfinite(value)]
    assert all(0 <= place <= 1 for place in places)
    assert scale.ticks() == sorted(scale.ticks())


def test_the_fitted_growth_of_a_geometric_sequence_is_its_ratio() -> None:
    values = 0.5 * 1.14 ** np.arange(100)
    values[90:] = np.inf
    rate, start = fitted_growth(values)
    assert 10**rate == pytest.approx(1.14)
    assert 10**start == pytest.approx(0.5)


def test_numbers_read_well() -> None:
    assert [number(v) for v in (0, 1.5, 1234567.0, 1e-30, math.inf, math.nan)] == [
        *("0", "1.5", "1.23e6", "1e\N{MINUS SIGN}30", "inf", "NaN")
    ]


# --- which trials ---------------------------------------------------------------------------------------------------


def made_up(updates: int, activation: str = "relu", *, diverged: bool = True, seconds: float = 1.0) -> TrialResult:
    loss = (0.5,) * (updates - 1) + ((math.nan,) if diverged else (0.5,))
    config = TrialConfig(activation=activation, updates=updates)
    return TrialResult(config=config, loss=loss, engine="compiled", device="CPU", seconds=seconds)


def test_trials_that_took_long_are_no_exemplary_ones() -> None:
    assert exemplary_numbers({0: made_up(5, seconds=LONGEST_SECONDS + 1), 1: made_up(6)}) == [1]
    assert exemplary_numbers({0: made_up(5, diverged=False)}) == []
    assert exemplary_numbers({}) == []


def test_a_sweep_chooses_the_trials_that_its_report_shows() -> None:
    times = {"relu": (9, 3, 5, 8, 7, 3, 9), "selu": (6, 7)}
    trials = [(time, activation) for activation, own in times.items() for time in own]
    results = dict(enumerate([*(made_up(*trial) for trial in trials), made_up(5, "tanh", diverged=False)]))
    chosen = exemplary_numbers(results)
    table = results_table([*(time for time, _ in trials), math.inf], activation=[*(a for _, a in trials), "tanh"])
    assert chosen == sorted(exemplary_trials(table)["trial_number"])
    # In order of time and number: 1 5 2 7 4 8 3 0 6; the relu ones 1 5 2 4 3 0 6, the selu ones 7 8.
    assert chosen == [0, 1, 4, 7]


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def diverged() -> TrialAnatomy:
    from study.engine.onset.anatomy import anatomy_of

    return anatomy_of(DIVERGES)


@pytest.fixture(scope="module")
def survived() -> TrialAnatomy:
    from study.engine.onset.anatomy import anatomy_of

    return anatomy_of(SURVIVES)


class Page(HTMLParser):
    """Texts by tag, and every address that a page would fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        text = re.sub(r"<(style|title)>.*?</\1>", "", html, flags=re.S)
        self.text = " ".join(re.sub(r"<[^>]+>", " ", text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "img", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_before_at_and_after_are_replayed_from_the_weights_they_start_from(diverged: TrialAnatomy) -> None:
    """At a learning rate of 1e30 update 1 is harmless, update 2 starts from weights of 1e30, update 3 from NaN."""
    assert [(s.name, s.update) for s in diverged.snapshots] == [("BEFORE", 1), ("AT", 2), ("AFTER", 3)]
    before, at, after = diverged.snapshots
    assert before.loss == pytest.approx(diverged.result.loss[0], rel=1e-5)
    assert math.isnan(at.loss)
    kernel = "lstm_1/forward/recurrent_kernel, candidate"
    assert before.statistics["weights"][kernel].largest <= 1
    assert at.statistics["weights"][kernel].nonfinite == 0
    assert at.statistics["weights"][kernel].largest > 1e28
    assert after.statistics["weights"][kernel].nonfinite > 0
    assert before.statistics["states"]["cell state of lstm_1/forward"].nonfinite == 0
    assert at.statistics["states"]["cell state of lstm_1/forward"].nonfinite > 0
    gates = {name.partition(", ")[2] for name in at.statistics["gradients"] if name.startswith("lstm")}
    assert gates == {"input", "forget", "candidate", "output"}
    onset = diverged.result.onset
    assert onset is not None
    assert np.isfinite(at.growth["h"][: onset.timestep]).all()
    assert not np.isfinite(at.growth["h"][onset.timestep])


def test_the_first_update_has_none_before_it() -> None:
    from study.engine.onset.anatomy import updates_of_interest

    assert updates_of_interest(made_up(1)) == [("AT", 1), ("AFTER", 2)]
    early = dataclasses.replace(made_up(9), onset=dataclasses.replace(_onset(), update=4))
    assert updates_of_interest(early) == [("ONSET", 4), ("BEFORE", 8), ("AT", 9), ("AFTER", 10)]
    lived = dataclasses.replace(made_up(9, diverged=False), onset=dataclasses.replace(_onset(), update=4))
    assert updates_of_interest(lived) == [("BEFORE", 3), ("AT", 4), ("AFTER", 5)]
    assert updates_of_interest(made_up(9, diverged=False)) == [("LAST", 9)]


def _onset():  # type: ignore[no-untyped-def]
    from tests.trial.test_onset import onset

    return onset()


def test_the_page_of_a_diverged_trial_tells_all_and_fetches_nothing(diverged: TrialAnatomy) -> None:
    html = render(diverged, About(title="0007 <NaN> at 2", run_id="abc", versions={"numpy": "2.0"}))
    page = Page(html)
    assert page.open == []
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert len(page.addresses) > 50
    assert len(html) < 3e6
    assert verdict(diverged.result) in page.text
    assert "0007 &lt;NaN&gt; at 2" in html
    for text in ("BEFORE, AT, AFTER", "learning_rate 1e+30", "MLflow run abc", "numpy 2.0", "AFTER (3)", "made of"):
        assert text in page.text
    assert 'id="warnings"' not in html
    onset = diverged.result.onset
    assert onset is not None
    assert f"timestep {onset.timestep}" in page.text


def test_the_page_of_a_survived_trial_shows_its_last_update_instead(survived: TrialAnatomy) -> None:
    page = Page(render(survived, About(title="survivor")))
    assert "No number stopped being finite in 8 updates" in page.text
    assert "LAST (8)" in page.text
    assert "AFTER (" not in page.text
    assert "made of" not in page.text


def test_a_page_says_whether_a_replay_with_other_versions_is_the_same(survived: TrialAnatomy) -> None:
    recorded = survived.result
    about = About(title="x", recorded=recorded, recorded_versions={"keras": "3.14"}, versions={"keras": "3.15"})
    assert other_versions(about) == "keras 3.14 (here 3.15)"
    sentences = warnings(survived.result, about)
    assert len(sentences) == 2
    assert sentences[0].endswith("this replay may differ from it: keras 3.14 (here 3.15).")
    assert sentences[1] == "It does not differ: all 8 losses are the same to the last bit."
    assert all(sentence in Page(render(survived, about)).text for sentence in sentences)

    nudged = dataclasses.replace(
        recorded, loss=(*recorded.loss[:4], np.nextafter(recorded.loss[4], 1), *recorded.loss[5:])
    )
    told = warnings(survived.result, dataclasses.replace(about, recorded=nudged))
    assert "differs from the run: the loss of update 5 was" in told[1]
    same = dataclasses.replace(about, recorded_versions={"keras": "3.15"})
    assert warnings(survived.result, same) == []
    by_keras = dataclasses.replace(recorded, engine="reference")
    assert "by the reference engine" in warnings(survived.result, dataclasses.replace(same, recorded=by_keras))[0]


def test_a_worker_draws_the_same_page_from_text(diverged: TrialAnatomy) -> None:
    html = page_text(diverged.result.to_json(), json.dumps({"title": "from text", "run_id": "abc"}))
    page = Page(html)
    assert verdict(diverged.result) in page.text
    assert 'id="warnings"' not in html


# --- at the end of a sweep ------------------------------------------------------------------------------------------


class Runs:
    """Stands for MLflow: run ids by trial number, and their pages."""

    def __init__(self, numbers: list[int]) -> None:
        self.written = {n: f"run-{n}" for n in numbers}
        self.pages: dict[str, str] = {}

    def has_artifact(self, run_id: str, name: str) -> bool:
        return run_id in self.pages

    def keep_artifact(self, run_id: str, name: str, text: str, *, tags: Mapping[str, str]) -> None:
        self.pages[run_id] = text


class Pool:
    """Stands for the workers: draws in order, as long as it may."""

    def apply(self, function, calls, *, stop):  # type: ignore[no-untyped-def]
        for place, arguments in enumerate(calls):
            if stop():
                return
            yield place, function(*arguments)


def write(runs: Runs, records: list[Record], *, stop_after: int = 99, draw=None) -> tuple[list[str], list[int]]:  # type: ignore[no-untyped-def]
    said: list[str] = []
    opened: list[int] = []
    before = len(runs.pages)

    def workers(pages: int):  # type: ignore[no-untyped-def]
        opened.append(pages)
        return nullcontext(Pool())

    keep_exhibits(
        [page_exhibit(draw or (lambda recorded, about: f"page of {json.loads(about)['run_id']}"))],
        records,
        tracker=cast(Tracker, runs),
        workers=workers,
        say=said.append,
        stopped=lambda: len(runs.pages) - before >= stop_after,
    )
    return said, opened


def records_of(results: list[TrialResult]) -> list[Record]:
    return [Record(number=n, config=r.config, result=r, end_time=1.0) for n, r in enumerate(results)]


def test_pages_are_written_once_and_an_interrupted_sweep_goes_on_with_those_that_are_missing() -> None:
    records = records_of([made_up(n) for n in (9, 3, 5, 8, 7)])
    runs = Runs([0, 1, 2, 3, 4])
    assert write(runs, records, stop_after=0) == ([NOT_KEPT], [])
    assert runs.pages == {}
    said, opened = write(runs, records, stop_after=1)
    assert (said[-1], opened, len(runs.pages)) == (NOT_KEPT, [3], 1)
    said, opened = write(runs, records)
    assert (said, opened) == (["writing the anatomy of 2 exemplary trials"], [2])
    assert runs.pages == {f"run-{n}": f"page of run-{n}" for n in (0, 1, 4)}
    assert write(runs, records) == ([], [])


def test_every_exhibit_that_is_missing_is_made_and_the_run_is_tagged_by_it() -> None:
    kept: dict[tuple[str, str], tuple[str, dict[str, str]]] = {("run-0", "page.html"): ("old", {})}

    class Several(Runs):
        def has_artifact(self, run_id: str, name: str) -> bool:
            return (run_id, name) in kept

        def keep_artifact(self, run_id: str, name: str, text: str, *, tags: Mapping[str, str]) -> None:
            kept[run_id, name] = text, dict(tags)

    exhibits = [
        Exhibit(artifact="page.html", name="page", doing="writing a page", make=lambda recorded, about: "new"),
        Exhibit(
            artifact="cause.json",
            name="cause",
            doing="measuring the cause",
            make=lambda recorded, about: "grows",
            tags=lambda text: {"cause": text},
        ),
    ]
    said: list[str] = []
    opened: list[int] = []

    def workers(trials: int):  # type: ignore[no-untyped-def]
        opened.append(trials)
        return nullcontext(Pool())

    keep_exhibits(
        exhibits,
        records_of([made_up(3), made_up(5)]),
        tracker=cast(Tracker, Several([0, 1])),
        workers=workers,
        say=said.append,
        stopped=lambda: False,
    )
    assert said == ["writing a page of 1 exemplary trial", "measuring the cause of 2 exemplary trials"]
    assert kept == {
        ("run-0", "page.html"): ("old", {}),
        ("run-1", "page.html"): ("new", {}),
        ("run-0", "cause.json"): ("grows", {"cause": "grows"}),
        ("run-1", "cause.json"): ("grows", {"cause": "grows"}),
    }
    assert opened == [2]


def test_a_sweep_without_a_nan_says_nothing_of_pages() -> None:
    assert write(Runs([0]), records_of([made_up(5, diverged=False)])) == ([], [])


def test_a_page_that_cannot_be_drawn_is_told_and_the_others_are_written() -> None:
    def draw(recorded: str, about: str) -> str | TrialFailed:
        return TrialFailed("too large") if "run-1" in about else "page"

    runs = Runs([0, 1])
    said, _ = write(runs, records_of([made_up(3), made_up(5)]), draw=draw)
    assert said[1:] == ["trial 1 has no anatomy page (too large)"]
    assert runs.pages == {"run-0": "page"}


# --- the commands ---------------------------------------------------------------------------------------------------


def test_a_sweep_keeps_pages_of_exemplary_trials_once_and_the_command_writes_any(
    study: Study, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tiny sweep like `card`, but short: every diverged trial has a timeline and an onset in the results table."""
    space = tmp_path / "space.yaml"
    space.write_text(
        "about: Short and absurd.\n"
        "fixed: {units: 4, timesteps: 12, features: 3, batch_size: 4, max_norm: none, clipnorm: none}\n"
        "parameters:\n"
        "  activation: {choices: [relu, selu, tanh]}\n"
        "  learning_rate: {low: 10, high: 1e+30, log: true}\n"
        "  recurrent_dropout: {low: 0.0, high: 0.5}\n"
        "updates: 20\ntrials: 8\nsampler: sobol\n"
    )
    sweep = ("sweep", str(space), "--name", "tiny", "--workers", "1")
    answer = study(*sweep)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"writing the anatomy of \d exemplary trials?", answer.stdout)
    commands.main(list(sweep), standalone_mode=False)
    assert "writing the anatomy" not in capsys.readouterr().out

    uri = f"sqlite:///{home}/mlflow.db"
    table = read_results(uri=uri, study="tiny")
    gone = table[table["outcome"] == "diverged"]
    assert len(gone) >= 3
    assert (gone["nonfinite_loss"] == gone["time_to_nan"]).all()
    for column in ("onset_update", "onset_phase", "onset_tensor", "onset_value", "nonfinite_weight"):
        assert gone[column].notna().all(), column
    assert (gone["onset_update"] <= gone["time_to_nan"]).all()

    client = MlflowClient(tracking_uri=uri)
    runs = {run.info.run_id: run for run in mlflow_runs(uri, "tiny") if run.data.tags["study.role"] == "trial"}
    with_page = {i for i in runs if [file.path for file in client.list_artifacts(i)] == ["anatomy.html", "cause.json"]}
    assert {runs[i].data.params["activation"] for i in with_page} == set(gone["activation"])
    assert set(gone[gone["time_to_nan"] == gone["time_to_nan"].min()]["run_id"]) & with_page
    kept = Path(client.download_artifacts(next(iter(with_page)), "anatomy.html", str(tmp_path))).read_text()
    note = runs[next(iter(with_page))].data.tags[NOTE]
    assert note.splitlines()[-1] in Page(kept).text
    assert 'id="warnings"' not in kept
    assert {runs[i].data.tags["cause"] for i in with_page} <= {cause.id for cause in CAUSES} | {"unknown"}

    # The command, on a run without a page, and as if made with another Keras.
    left = next(i for i in runs if i not in with_page)
    parent = runs[left].data.tags["mlflow.parentRunId"]
    client.set_tag(parent, "version.keras", "3.0.0")

    def anatomy(*arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        commands.main(["anatomy", *arguments, "--no-open"], standalone_mode=False)
        return capsys.readouterr()

    out, err = anatomy(left)
    page = home / "anatomy" / f"{left}.html"
    assert str(page) in out
    assert [file.path for file in client.list_artifacts(left)] == ["anatomy.html"]
    assert "keras 3.0.0 (here" in err
    assert "losses are the same to the last bit" in Page(page.read_text()).text
    with sqlite3.connect(home / "mlflow.db") as store:
        store.execute("UPDATE metrics SET value = value * 1.0000001 WHERE key = 'loss' AND step = 1")
    _, err = anatomy(left, "--out", str(tmp_path / "own.html"))
    assert "The replay differs from the run: the loss of update 1 was" in err
    assert "The replay differs" in (tmp_path / "own.html").read_text()

    for bad, complaint in (("nothing", "nothing: no such run"), (parent, "is not the run of a trial")):
        with pytest.raises(Refused, match=complaint):
            anatomy(bad)


def test_a_sweep_of_listed_configurations_keeps_pages_too(stores: Home) -> None:
    space = parse(
        "about: A list, one of it twice.\n"
        "fixed: {units: 4, timesteps: 12, features: 3, batch_size: 4, max_norm: none, clipnorm: none}\n"
        "configurations:\n"
        "  - {learning_rate: 1e+30, seed: 1}\n  - {learning_rate: 1e+30, seed: 1}\n  - {learning_rate: 1e-6, seed: 2}\n"
        "updates: 3\n"
    )
    swept = sweep(stores, "listed", 3, space=space, train=train, exhibits=[page_exhibit(page_text)])
    assert re.search(r"writing the anatomy of [12] exemplary trials?", swept.output)
    pages = list(stores.folder.glob("artifacts/listed/*/artifacts/anatomy.html"))
    assert 1 <= len(pages) <= 2


def test_a_trial_can_write_its_page_and_still_print_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    settings = [f"{name}={'none' if value is None else value}" for name, value in SHORT.items()]
    arguments = [argument for value in (*settings, "learning_rate=1e30") for argument in ("--set", value)]
    commands.main(["trial", "--json", "--anatomy", str(page), *arguments], standalone_mode=False)
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["outcome"] == "diverged"
    assert err == f"The anatomy is in {page}\n"
    assert f"At update {result['onset']['update']} the " in Page(page.read_text()).text

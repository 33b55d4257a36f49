"""A small sweep in MLflow's own pages, seen through a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from study.space.file import load
from study.tracking import address, list_studies
from study.trial.folders import space_folders
from tests.processes import ROOT, free_port, wait_for_server
from tests.stores import home_in
from tests.sweep.in_process import sweep
from tests.sweep.made_up import made_up

pytestmark = pytest.mark.nightly

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
expect.set_options(timeout=60_000)
OFFLINE = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def ui(empty_stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the trials of a small sweep, served by `study ui`."""
    folder = tmp_path_factory.mktemp("seen") / "home"
    shutil.copytree(empty_stores, folder)
    sweep(home_in(folder), "seen", 12, train=partial(made_up, mode="raises"))
    with served(folder, study="seen") as url:
        yield url


@contextmanager
def served(home: Path, *, study: str) -> Iterator[str]:
    """`study ui` on a home; the address of a study's trials."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "study", "ui", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "STUDY_HOME": str(home), "MLFLOW_TRACKING_URI": ""},
        start_new_session=True,
    )
    try:
        wait_for_server(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}{address(list_studies(uri=f'sqlite:///{home}/mlflow.db')[study])}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def page() -> Iterator[Page]:
    assert BROWSER, "the page tests need Chromium on the PATH"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=OFFLINE)
        page = browser.new_page(viewport={"width": 4000, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_a_sweep_reads_well_in_mlflow(ui: str, page: Page) -> None:
    # The trials, in the saved view: outcome and varied axes as columns, soonest NaN first.
    page.goto(ui)
    names = page.get_by_role("link", name=re.compile(r"^\d{4} (NaN at \d+|survived 60(, exploded)?|failed): "))
    expect(names.first).to_be_visible()
    for column in ("time_to_nan", "updates", "loss", "activation", "learning_rate", "units"):
        expect(page.get_by_role("columnheader", name=column, exact=True).first).to_be_visible()
    shown = names.all_inner_texts()
    soonest = [int(match[1]) for name in shown if (match := re.search(r"NaN at (\d+)", name))]
    assert len(shown) == 12
    assert len(soonest) >= 2
    assert soonest == sorted(soonest)
    # A filter on a metric.
    search = page.get_by_placeholder(re.compile("metrics"))
    search.fill("metrics.diverged = 1")
    search.press("Enter")
    expect(names).to_have_count(len(soonest))
    # One trial: its params, metrics and description.
    names.first.click()
    expect(page.get_by_text("Diverged: the loss of update")).to_be_visible()
    for text in ("recurrent_dropout", "label_balance", "time_to_nan", "wall_seconds"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()


def test_what_varies_and_the_time_to_nan_are_in_sight_on_a_common_screen(ui: str, page: Page) -> None:
    page.set_viewport_size({"width": 1500, "height": 900})
    page.goto(ui)
    axes = list(load("card", folders=space_folders()).parameters)
    assert len(axes) == 9
    columns = [page.locator(f'[role=columnheader][col-id="params.`{axis}`"]') for axis in axes]
    columns.append(page.locator('[role=columnheader][col-id="metrics.`time_to_nan`"]'))
    for column in columns:
        expect(column).to_be_in_viewport(ratio=1)
    places = [box["x"] for column in columns if (box := column.bounding_box())]
    assert places == sorted(places)
    assert len(places) == 10


def test_the_parent_run_tells_how_to_read_the_study(ui: str, page: Page) -> None:
    page.goto(ui.partition("?")[0])
    parent = page.get_by_role("link", name="sweep seen")
    expect(parent).to_be_visible()
    # Nested runs fold out under it.
    page.get_by_role("row").filter(has=parent).locator("button, [role=button], svg").first.click()
    expect(page.get_by_role("link", name=re.compile(r"^\d{4} ")).first).to_be_visible()
    parent.click()
    expect(page.get_by_text("right-censored").first).to_be_visible()
    expect(page.get_by_text("trials_diverged", exact=True).first).to_be_visible()

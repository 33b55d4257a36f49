"""The page of a user's model: what was around its onset, in numbers and pictures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from study.models.anatomy import anatomy_of
from study.models.file import ModelFile
from study.models.signature import design_of
from study.report.anatomy import page_text
from study.report.page_task import page_task
from study.report.pages.anatomy import About, render
from study.report.readme_figures import write_layer_map
from study.trial.anatomy import TrialAnatomy
from study.trial.model_sentence import verdict
from tests.models.files import BUILD, DATA, file_of
from tests.report.test_anatomy import Page


def anatomy(file: ModelFile, **values: object) -> TrialAnatomy:
    return anatomy_of(design_of(file).config(values), file=file)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    return file_of(tmp_path_factory.mktemp("model"), BUILD, DATA)


@pytest.fixture(scope="module")
def diverged(file: ModelFile) -> TrialAnatomy:
    """Update 1 is harmless and leaves weights of 1e37, whose products overflow in update 2."""
    return anatomy(file, learning_rate=1e37, updates=5, batch_size=20)


def test_before_at_and_after_start_from_what_the_training_left(diverged: TrialAnatomy) -> None:
    assert [(s.name, s.update) for s in diverged.snapshots] == [("BEFORE", 1), ("AT", 2), ("AFTER", 3)]
    before, at, after = diverged.snapshots
    assert before.loss == pytest.approx(diverged.result.loss[0], rel=1e-5)
    assert not math.isfinite(at.loss)
    assert not math.isfinite(diverged.result.loss[1])
    kernel = "sequential/lstm/lstm_cell/recurrent_kernel, candidate"
    assert before.statistics["weights"][kernel].largest <= 1
    assert at.statistics["weights"][kernel].nonfinite == 0
    assert at.statistics["weights"][kernel].largest > 1e30
    assert after.statistics["weights"][kernel].nonfinite > 0
    assert list(at.layers) == ["lstm", "dense"]
    assert at.layers["dense"].shape == (20, 1)
    assert at.layers["dense"].output is not None
    assert at.layers["dense"].output.largest > 1e30
    assert before.layers["lstm"].gradient is not None


GROWS = """
def build():
    grow = layers.SimpleRNN(
        1, activation="relu", kernel_initializer="ones", recurrent_initializer=keras.initializers.Constant(1e10)
    )
    model = keras.Sequential([keras.Input((5, 1)), grow, layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model


def data():
    return np.ones((4, 5, 1)), np.zeros((4, 1))
"""


def test_the_neighbourhood_of_a_state_is_what_its_unit_was_before(tmp_path: Path) -> None:
    """h[t] = 1 + 1e10 h[t - 1] is 1, 1e10, 1e20, 1e30 and more than float32 holds."""
    found = anatomy(file_of(tmp_path, GROWS), updates=2)
    assert found.onset is not None
    assert found.onset.timestep == 4
    (at,) = found.neighbourhoods
    assert at.rows == ("0", "1", "2", "3", "4")
    assert at.marked[0] == 4
    state = at.columns.index("hidden state")
    np.testing.assert_allclose(at.values[:, state], [1, 1e10, 1e20, 1e30, np.inf], rtol=1e-5)
    np.testing.assert_allclose(found.decisive.growth["h"], [1, 1e10, 1e20, 1e30, np.inf], rtol=1e-5)
    assert found.recurrence == "simple_rnn"


def test_the_page_tells_all_and_fetches_nothing(diverged: TrialAnatomy) -> None:
    html = render(diverged, About(title="0007 <NaN> at 2", run_id="abc"))
    page = Page(html)
    assert page.open == []
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    assert verdict(diverged.result) in page.text
    for text in ("BEFORE, AT, AFTER", "learning_rate 1e+37", "0007 &lt;NaN&gt;", "The layers, and the one that broke"):
        assert text in page.text
    assert 'id="map"' in html
    assert 'id="warnings"' not in html


def test_the_page_of_a_healthy_trial_shows_its_last_update(file: ModelFile) -> None:
    found = anatomy(file, updates=3)
    assert [(s.name, s.update) for s in found.snapshots] == [("LAST", 3)]
    assert found.snapshots[0].loss == pytest.approx(found.result.loss[-1], rel=1e-5)
    page = Page(render(found, About(title="healthy")))
    assert "No loss and no weight stopped being finite in 3 updates" in page.text
    assert "LAST (3)" in page.text


def test_a_worker_draws_the_page_of_a_trial_from_text(file: ModelFile, diverged: TrialAnatomy) -> None:
    recorded = diverged.result.to_json()
    elsewhere = ModelFile(path="/not/here/my_model.py", text=file.text)
    html = page_task(elsewhere, diverged.result.config.design)(recorded, '{"title": "t", "run_id": "abc"}')
    assert verdict(diverged.result) in Page(html).text
    assert 'id="warnings"' not in html
    same = page_text(recorded, '{"title": "t"}', model=elsewhere, design=diverged.result.config.design)
    assert verdict(diverged.result) in Page(same).text


EAGER_FAILS = """
class Model(keras.Model):
    def train_step(self, data):
        if tf.executing_eagerly():
            raise RuntimeError("only in a graph")
        return super().train_step(data)


def build():
    inputs = keras.Input((5, 3))
    model = Model(inputs, layers.Dense(1)(layers.LSTM(2)(inputs)))
    model.compile(optimizer=keras.optimizers.SGD(1e37), loss="mse")
    return model
"""


def test_a_model_that_cannot_be_repeated_has_a_page_that_says_so(tmp_path: Path) -> None:
    found = anatomy(file_of(tmp_path, EAGER_FAILS, DATA), updates=5)
    assert found.snapshots == ()
    page = Page(render(found, About(title="graph only")))
    assert "could not be repeated operation by operation" in page.text
    assert "only in a graph" in page.text


def test_a_picture_of_the_layers_is_written_for_a_readme(file: ModelFile, tmp_path: Path) -> None:
    path = write_layer_map(file, ["learning_rate=1e37", "updates=3", "batch_size=20"], tmp_path)
    assert path == tmp_path / "my_model.png"
    assert int.from_bytes(path.read_bytes()[16:20], "big") == 1660  # twice the width of a README

"""Trials of model files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.engine.runtime import keras
from study.models.data import Arrays
from study.models.file import ModelFile
from study.models.prepare import prepare, start_anew
from study.models.signature import design_of
from study.models.training import train
from study.models.trial import run
from study.trial.divergence import LossAbove
from study.trial.model_design import ModelConfig
from study.trial.model_sentence import verdict
from study.trial.result import TrialResult, first_difference
from tests.models.files import BUILD, DATA, GENERATOR, PY_DATASET, file_of

SPECIMENS = Path(__file__).parent / "specimens"
TRUTH = json.loads((SPECIMENS / "truth.json").read_text())


def trial(file: ModelFile, **settings: Any) -> TrialResult[ModelConfig]:
    return run([design_of(file).config(settings)], file=file)[0]


@pytest.mark.parametrize("name", [name for name in TRUTH if name != "relu_bidirectional"])
def test_a_trial_of_a_specimen_tells_what_is_true_of_it(name: str) -> None:
    truth = TRUTH[name]
    result = trial(ModelFile.read(SPECIMENS / f"{name}.py"))
    if truth["time_to_nan"] is None:
        assert (result.outcome.name, result.updates, result.onset) == ("survived", 100, None)
        return
    first, last = truth["time_to_nan"]
    assert first <= (result.time_to_nan or 0) <= last
    assert result.onset is not None
    told = result.onset.as_dict()
    wanted = {key: truth[key] for key in ("phase", "layer", "row", "timestep", "unit") if key in truth}
    if name == "half_precision":  # which of its three wide layers is the first depends on the draw
        assert wanted.pop("layer") == "wide"
    assert {key: told[key] for key in wanted} == wanted


def test_the_losses_are_those_of_a_loop_over_train_on_batch(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD, DATA)
    config = design_of(file).config({"updates": 7, "seed": 5, "batch_size": 16})
    result = run([config], file=file)[0]
    start_anew(seed=5)
    functions = file.load()
    keras.utils.set_random_seed(5)
    model = functions.build()
    x, y = functions.data(seed=5)
    order = [Arrays(parts=(x, y), batch_size=16, seed=5).order(epoch) for epoch in range(3)]
    # 40 rows in batches of 16: an epoch is three updates, the last of 8 rows.
    rows = [order[epoch][first : first + 16] for epoch in range(3) for first in (0, 16, 32)][:7]
    own = [float(model.train_on_batch(x[batch], y[batch], return_dict=True)["loss"]) for batch in rows]
    np.testing.assert_allclose(result.loss, own, rtol=1e-5)
    assert [len(batch) for batch in rows] == [16, 16, 8, 16, 16, 8, 16]


def test_an_epoch_takes_every_row_once_in_an_order_of_its_own() -> None:
    arrays = Arrays(parts=(np.zeros((10, 2)),), batch_size=4, seed=3)
    epochs = [np.concatenate([arrays.rows_of(3 * epoch + number) for number in (1, 2, 3)]) for epoch in range(2)]
    assert [sorted(rows.tolist()) for rows in epochs] == [list(range(10))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert Arrays(parts=arrays.parts, batch_size=4, seed=4).order(0).tolist() != epochs[0].tolist()


def test_a_trial_is_the_same_to_the_last_bit_alone_and_after_others(tmp_path: Path) -> None:
    dropout = BUILD.replace("layers.Dense", "layers.Dropout(0.5), layers.Dense").replace("sgd", "adam")
    file = file_of(
        tmp_path, "drawn = np.random.default_rng(0)\n", dropout, DATA.replace("draw =", "drawn.random(); draw =")
    )
    config = design_of(file).config({"updates": 20})
    alone, other, again = run([config, config.replacing(seed=1), config], file=file)
    assert first_difference(alone, again) is None
    assert first_difference(alone, other) == 1


def test_a_trial_is_the_same_to_the_last_bit_while_another_thread_draws(tmp_path: Path) -> None:
    thread = "    other = threading.Thread(target=random.random)\n    other.start()\n    other.join()\n"
    parts = "import random\nimport threading\n", DATA
    alone, other = (
        trial(file_of(tmp_path, build, *parts), updates=3).loss
        for build in (BUILD, BUILD.replace("    model =", f"{thread}    model ="))
    )
    assert alone == other


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        DATA.replace("return ", "return {'x': ").replace("5, 3)), ", "5, 3))}, ").replace("'x'", "'series'"),
        DATA + "\nwhole = data\n\ndef data():\n    return *whole(), np.ones(40)\n",
        DATA
        + "\nimport pandas as pd\nwhole = data\n\ndef data():\n    x, y = whole()\n    return x, pd.Series(y[:, 0])\n",
        DATA + "\ndef dataset():\n    return tf.data.Dataset.from_tensor_slices(whole())\n"
        "\nwhole = data\n\ndef data():\n    return dataset().shuffle(40).batch(16)\n",
        GENERATOR,
        PY_DATASET,
    ],
    ids=["arrays", "dict", "weights", "pandas", "tf_data", "generator", "py_dataset"],
)
def test_whatever_fit_takes_is_trained_on_to_the_budget(tmp_path: Path, data: str) -> None:
    build = BUILD.replace("keras.Input((5, 3))", "keras.Input((5, 3), name='series')")
    result = trial(file_of(tmp_path, build, data), updates=10)
    assert (result.outcome.name, result.updates) == ("survived", 10)
    assert all(np.isfinite(result.loss))


def test_a_stream_is_begun_anew_where_it_ends(tmp_path: Path) -> None:
    build = BUILD.replace('"sgd"', "keras.optimizers.SGD(1e-30)")  # the weights stand still
    for data in (GENERATOR, PY_DATASET + "\nBatches.__iter__ = None\n"):
        loss = trial(file_of(tmp_path, build, data), updates=9).loss
        assert sorted(loss[:3]) == sorted(loss[3:6]) == sorted(loss[6:])
        assert len(set(loss)) == 3


@pytest.mark.parametrize("how", ["steps_per_execution=4", "run_eagerly=True", "jit_compile=True"])
def test_a_model_is_run_as_it_was_compiled(tmp_path: Path, how: str) -> None:
    plain = trial(file_of(tmp_path, BUILD, DATA), updates=10)
    file = file_of(tmp_path, BUILD.replace('loss="mse"', f'loss="mse", {how}'), DATA)
    prepared = prepare(file, design_of(file).config({"updates": 10}))
    assert (prepared.model.steps_per_execution == 4) == ("steps" in how)
    assert prepared.model.run_eagerly == ("eagerly" in how)
    assert prepared.model.jit_compile == ("jit" in how)
    assert train(prepared).loss == pytest.approx(plain.loss, rel=1e-5)


def test_general_axes_are_set_on_the_compiled_model(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD, DATA)
    asked = {"learning_rate": 0.25, "global_clipnorm": 2, "jit_compile": True, "dtype_policy": "mixed_float16"}
    model = prepare(file, design_of(file).config(asked)).model
    inner = model.optimizer.inner_optimizer
    assert (float(inner.learning_rate.numpy()), inner.global_clipnorm, inner.clipnorm) == (0.25, 2, None)
    assert model.jit_compile
    assert model.layers[0].dtype_policy.name == "mixed_float16"


def test_what_a_function_takes_is_passed_to_it_and_not_set(tmp_path: Path) -> None:
    build = BUILD.replace("units=4", "learning_rate=0.5").replace("(units)", "(4)")
    file = file_of(tmp_path, build.replace('"sgd"', "keras.optimizers.SGD(learning_rate / 4)"), DATA)
    design = design_of(file)
    assert design.axes["learning_rate"].default == 0.5
    for learning_rate in (0.5, 0.25):
        optimizer = prepare(file, design.config({"learning_rate": learning_rate})).model.optimizer
        assert float(optimizer.learning_rate.numpy()) == learning_rate / 4


def test_clipping_that_was_compiled_is_taken_away_by_zero(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD.replace('"sgd"', "keras.optimizers.SGD(0.1, clipnorm=1.0)"), DATA)
    design = design_of(file)
    assert prepare(file, design.config({})).model.optimizer.clipnorm == 1.0
    assert prepare(file, design.config({"clipnorm": 0})).model.optimizer.clipnorm is None
    assert prepare(file, design.config({"clipnorm": 0, "clipvalue": 3})).model.optimizer.clipvalue == 3


def test_weights_that_stop_being_finite_are_told_though_the_loss_stays_finite(tmp_path: Path) -> None:
    # Word 9 is in row 0 alone, and its gradient is infinite there: 0 times the derivative of a root at 0.
    build = """
def build():
    words = keras.Input((2,), dtype="int32")
    vectors = layers.Embedding(10, 3, embeddings_initializer="zeros")(words)
    root = layers.Lambda(lambda x: ops.where(x[0][..., None] == 9, ops.sqrt(x[1]), x[1]), output_shape=(2, 3))
    outputs = layers.Dense(1)(layers.Flatten()(root([words, vectors])))
    model = keras.Model(words, outputs)
    model.compile(optimizer="sgd", loss="mse")
    return model
"""
    data = "def data():\n    x = np.ones((64, 2), 'int32')\n    x[7] = 9\n    return x, np.ones((64, 1))\n"
    result = trial(file_of(tmp_path, build, data), updates=2)
    assert result.onset is not None
    assert result.onset.as_dict()["phase"] == "backward"
    assert result.onset.as_dict()["row"] == 7


def test_code_is_run_from_the_text_that_was_read_and_not_from_the_disk(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD, DATA)
    Path(file.path).write_text("raise RuntimeError('changed since')")
    assert trial(file, updates=2).updates == 2


def test_a_configuration_in_json_has_the_file_its_hash_and_all_axes(tmp_path: Path) -> None:
    import hashlib

    file = file_of(tmp_path, BUILD, DATA)
    design = design_of(file)
    config = design.config({"units": "8", "learning_rate": "1e-2"})
    values = config.as_json()
    assert values["model"] == "my_model.py"
    assert values["sha256"] == hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
    assert list(values)[2:] == ["units", "seed", *(name for name in design.axes if name not in ("units", "seed"))]
    assert (values["units"], values["learning_rate"], values["clipnorm"]) == (8, 0.01, None)
    assert design.config(json.loads(json.dumps(values))) == config
    assert design.config(config.params()) == config
    assert len({config, design.config(values)}) == 1


EXPLODING = """
def build(steps=1):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(10.0), loss="mse", steps_per_execution=steps)
    return model


def data(seed=0):
    draw = np.random.default_rng(seed)
    return draw.standard_normal((32, 3)), draw.standard_normal((32, 1))
"""


@pytest.mark.parametrize("steps", [1, 4])
def test_a_trial_ends_at_another_event_where_it_is_asked_to(tmp_path: Path, steps: int) -> None:
    """Least squares by gradient descent: a rate of 10 is beyond 2 over the largest curvature, so that it grows."""
    file = file_of(tmp_path, EXPLODING)
    config = design_of(file).config({"updates": 8, "steps": steps})
    whole = run([config], file=file)[0]
    assert (whole.outcome.name, whole.outcome.exploded, whole.onset) == ("survived", True, None)
    assert "exploded" in verdict(whole)
    ended = run([config], file=file, divergence=LossAbove(1e4))[0]
    assert ended.loss == whole.loss[: ended.updates]
    assert ended.loss[-1] > 1e4 >= max(ended.loss[:-1])
    assert (ended.outcome.diverged, ended.onset) == (True, None)
    assert "rose above 10000" in verdict(ended)


def test_a_loss_of_another_scale_has_not_exploded_by_being_large(tmp_path: Path) -> None:
    file = file_of(tmp_path, EXPLODING.replace("SGD(10.0)", "SGD(1e-3)").replace("(32, 1))", "(32, 1)) * 1e3"))
    result = run([design_of(file).config({"updates": 5})], file=file)[0]
    assert result.loss[0] > 1e4
    assert not result.outcome.exploded

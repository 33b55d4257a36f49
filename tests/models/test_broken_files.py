"""Files that cannot be trained: each is told in one sentence that says where and what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.models.blame import ModelError
from study.models.file import ModelFile
from study.models.signature import design_of
from study.models.trial import run
from study.trial.errors import UserError
from tests.models.files import BUILD, DATA, GENERATOR, HEAD, PY_DATASET, SUBCLASS, file_of

LINE = HEAD.count("\n")
UNFIT = r"no update can be made of what build\(\) and data\(\) return"


def sentence(file: ModelFile, **settings: object) -> str:
    """What a trial of a file that cannot be trained is told as."""
    with pytest.raises(UserError) as told:
        run([design_of(file).config({"updates": 12, **settings})], file=file)
    said = str(told.value)
    assert "\n" not in said
    assert len(said) < 500
    return said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--model .*/nowhere\.py: there is no such file$"):
        ModelFile.read(tmp_path / "nowhere.py")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"\x89HDF\xff\xfe")
    with pytest.raises(UserError, match=r"weights\.h5: is no text in UTF-8"):
        ModelFile.read(tmp_path / "weights.h5")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (["def build(:\n"], rf"my_model\.py:{LINE + 1}: is no Python \(invalid syntax\)"),
        ([DATA], r"my_model\.py: defines no function build\(\), which returns a compiled keras\.Model"),
        ([BUILD], r"my_model\.py: defines no function data\(\), which returns what model\.fit takes"),
        (["build = 3\n", DATA], r"my_model\.py: build is int and not a function"),
        (
            ["build = keras.Sequential([layers.Dense(1)])\n", DATA],
            r"my_model\.py: build is Sequential and not a function",
        ),
        (["import tensorflw\n", BUILD, DATA], rf"my_model\.py:{LINE + 1}: there is no module 'tensorflw' here"),
        (["x = 1 / 0\n", BUILD, DATA], rf"my_model\.py:{LINE + 1}: ZeroDivisionError: division by zero"),
        (["raise SystemExit(0)\n", BUILD, DATA], rf"my_model\.py:{LINE + 1}: ends the program \(SystemExit\)"),
    ],
    ids=["syntax", "no_build", "no_data", "no_function", "a_model", "no_module", "an_exception", "exit"],
)
def test_what_is_wrong_with_a_file_that_does_not_load_is_told_with_its_line(
    tmp_path: Path, parts: list[str], told: str
) -> None:
    assert re.match(told, sentence(file_of(tmp_path, *parts)))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([BUILD.replace("units=4", "units"), DATA], r"build\(\) has the parameter units without a default"),
        ([BUILD.replace("units=4", "units=(4, 3)"), DATA], r"build\(\): units: tuple cannot be an axis"),
        ([BUILD.replace("units=4", "units=np.tanh"), DATA], r"build\(\): units: ufunc cannot be an axis"),
        (
            [BUILD.replace("units=4", "units=float('nan')"), DATA],
            r"build\(\): units=nan cannot be the default of an ax",
        ),
        ([BUILD.replace("units=4", "units=None"), DATA], r"build\(\): units: needs a type or a default"),
        ([BUILD.replace("units=4", "units: list[int] = 4"), DATA], r"build\(\): units: list\[int\] cannot be an axis"),
        ([BUILD.replace("units=4", "units: 'Nix' = 4"), DATA], r"the annotations of build\(\): NameError: .*'Nix'"),
        ([BUILD.replace("units=4", "seed=1"), DATA], r"seed of build\(\) takes .*default 1.* of data\(\) .*default 0"),
        ([BUILD.replace("units=4", "seed='a'"), DATA], r"build\(\): seed=a is not allowed; seed takes a whole number"),
        ([BUILD.replace("units=4", "model='gru'"), DATA], r"build\(\) has a parameter model, which no axis may be"),
    ],
    ids=[
        "no_default",
        "a_tuple",
        "a_function",
        "nan",
        "none_alone",
        "a_list",
        "unknown_type",
        "two_defaults",
        "text_seed",
        "taken",
    ],
)
def test_a_signature_that_gives_no_axes_is_told_with_its_parameter(tmp_path: Path, parts: list[str], told: str) -> None:
    assert re.match(rf"my_model\.py: {told}", sentence(file_of(tmp_path, *parts)))


@pytest.mark.parametrize(
    ("build", "told"),
    [
        ("def build():\n    pass\n", r"build\(\) returns nothing; it returns a compiled keras\.Model"),
        ("def build():\n    return layers.Dense(3)\n", r"build\(\) returns a keras\..*Dense; it returns a compiled"),
        (
            BUILD.replace('    model.compile(optimizer="sgd", loss="mse")\n', ""),
            r"build\(\) returns a model that is not c",
        ),
        (
            BUILD.replace("    return", "    model.trainable = False\n    return"),
            "the model .* has no weights to train",
        ),
        (
            SUBCLASS.replace("def call", "def train_step(self, data):\n        return {'mae': 0.0}\n\n    def call"),
            "the model's train_step returns no loss, only mae",
        ),
        (BUILD.replace('"mse"', '"mes"'), rf"{UNFIT} \(Could not interpret loss identifier: mes\)"),
        (BUILD.replace(', loss="mse"', ""), rf"{UNFIT} \(No loss to compute\."),
    ],
    ids=["nothing", "a_layer", "uncompiled", "nothing_to_train", "no_loss", "unknown_loss", "compiled_without_loss"],
)
def test_a_model_that_cannot_be_trained_is_told(tmp_path: Path, build: str, told: str) -> None:
    assert re.match(rf"my_model\.py: {told}", sentence(file_of(tmp_path, build, DATA)))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("def data():\n    pass\n", r"data\(\) returns nothing; it returns what model\.fit takes"),
        ("def data():\n    return 1, 2, 3, 4\n", r"data\(\) returns 4 things; it returns x, or x, y, or"),
        ("def data():\n    return [1, 2], [3, 4]\n", r"data\(\) returns int where model\.fit takes arrays"),
        (DATA.replace("(40, 1)", "(41, 1)"), r"data\(\) returns arrays of different numbers of rows \(40, 41\)"),
        (DATA.replace("(40,", "(0,"), r"data\(\) returns no rows, so that there is no update to make"),
        ("def data():\n    return (x for x in [])\n", r"data\(\) returns a generator without a batch"),
        (
            "def data():\n    return tf.data.Dataset.from_tensors((np.zeros((4, 5, 3)), np.zeros((4, 1)))).take(0)\n",
            r"data\(\) returns no batch, so that there is no update to make",
        ),
        ("def data():\n    return map(float, [])\n", r"data\(\) returns map where model\.fit takes arrays, a tf\.data"),
        (DATA.replace("(40, 5, 3)", "(40, 15)"), rf"{UNFIT} \(.*\(None, 15\)"),
        (DATA.replace("draw.standard_normal((40, 1))", "None"), rf"{UNFIT} \(there are inputs and no targets for the"),
        (
            "def data():\n    return [np.zeros((40, 5, 3)), np.zeros((40, 1))]\n",
            rf"{UNFIT} \(.* let data\(\) return x, y, as a tuple: a list is several inputs\)",
        ),
        (
            "def data():\n    return np.array([[1, 2], [3]], dtype=object), np.zeros((2, 1))\n",
            rf"{UNFIT} \(object is no type of numbers",
        ),
    ],
    ids=[
        *("nothing", "four", "numbers", "rows", "no_rows", "empty_generator", "empty_dataset", "iterator", "shape"),
        *("no_targets", "a_list", "objects"),
    ],
)
def test_data_that_cannot_be_trained_on_are_told(tmp_path: Path, data: str, told: str) -> None:
    assert re.match(rf"my_model\.py: {told}", sentence(file_of(tmp_path, BUILD, data)))


def test_a_script_without_the_two_functions_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    said = sentence(file_of(tmp_path, f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n", DATA))
    assert said.startswith("my_model.py: defines no function build()")
    assert not mark.exists()


@pytest.mark.parametrize(
    "definition",
    [
        "if True:\n    def build():\n        pass\n",
        "globals()['build'] = lambda: None\n",
        "made = build = lambda: None\n",
    ],
)
def test_a_function_may_be_defined_in_any_way(tmp_path: Path, definition: str) -> None:
    assert "build() returns nothing" in sentence(file_of(tmp_path, definition, DATA))


def test_code_may_draw_where_it_is_loaded(tmp_path: Path) -> None:
    file = file_of(tmp_path, "drawn = keras.random.normal((3,))\n", BUILD, DATA)
    assert design_of(file).axes["units"].default == 4


def line_of(file: ModelFile, text: str) -> int:
    return next(number for number, line in enumerate(file.text.splitlines(), start=1) if text in line)


@pytest.mark.parametrize(
    ("parts", "text", "told"),
    [
        (
            [BUILD.replace("    return", "    raise RuntimeError('no\\nluck')\n    return"), DATA],
            "raise",
            "RuntimeError: no luck",
        ),
        (
            [BUILD.replace("    return", "    assert units > 9\n    return"), DATA],
            "assert",
            "AssertionError: assert units > 9",
        ),
        ([BUILD, "def data():\n    return np.load('nowhere.npy')\n"], "np.load", "FileNotFoundError: .*nowhere.npy"),
        (
            [BUILD.replace('"sgd"', '"nosuch"'), DATA],
            "nosuch",
            "ValueError: Could not interpret optimizer identifier: no",
        ),
        ([SUBCLASS.replace("self.dense(x)", "self.dense(x) + x.nix"), DATA], "x.nix", "AttributeError: .*'nix'"),
        ([BUILD.replace('"mse"', "lambda y, p: ops.sum(y.nix)"), DATA], "y.nix", "AttributeError: .*'nix'"),
        ([BUILD, GENERATOR + "    raise KeyError('lost')\n"], "lost", "KeyError: 'lost'"),
        ([BUILD, PY_DATASET.replace("return np", "return {}['lost'], np")], "lost", "KeyError: 'lost'"),
    ],
    ids=["build", "assertion", "data", "compile", "layer", "loss", "generator", "py_dataset"],
)
def test_an_exception_of_the_users_own_is_told_with_the_last_line_of_their_file(
    tmp_path: Path, parts: list[str], text: str, told: str
) -> None:
    file = file_of(tmp_path, *parts)
    assert re.match(rf"my_model\.py:{line_of(file, text)}: {told}", sentence(file))


def test_an_operation_that_fails_in_the_graph_is_told_without_the_graph(tmp_path: Path) -> None:
    build = BUILD.replace("(5, 3)), ", "(5,)), layers.Embedding(10, 3), ")
    data = "def data():\n    return np.full((40, 5), 12), np.zeros((40, 1))\n"
    said = sentence(file_of(tmp_path, build, data))
    assert re.match(
        r"my_model\.py: update 1: InvalidArgumentError: indices\[0,0\] = 12 is not in \[0, 10\) \(.*GatherV2\)$", said
    )


def test_a_learning_rate_that_follows_a_schedule_cannot_be_set(tmp_path: Path) -> None:
    schedule = "keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))"
    file = file_of(tmp_path, BUILD.replace('"sgd"', schedule), DATA)
    said = sentence(file, learning_rate=0.01)
    assert said.startswith("learning_rate=0.01: the learning rate that my_model.py compiles its model with follows a ")


def test_two_ways_of_clipping_are_refused(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD.replace('"sgd"', "keras.optimizers.SGD(0.1, clipvalue=2.0)"), DATA)
    assert sentence(file, clipnorm=0.5).startswith("clipnorm=0.5 and clipvalue=2: Keras clips in one way at a time")


def test_a_model_that_runs_eagerly_is_not_compiled_by_xla(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD.replace('loss="mse"', 'loss="mse", run_eagerly=True'), DATA)
    assert sentence(file, jit_compile=True).startswith(
        "jit_compile=true: my_model.py compiles its model with run_eager"
    )


def test_a_precision_that_reaches_no_layer_is_refused(tmp_path: Path) -> None:
    build = BUILD.replace("(units)", "(units, dtype='float32')").replace("Dense(1)", "Dense(1, dtype='float32')")
    said = sentence(file_of(tmp_path, build, DATA), dtype_policy="mixed_float16")
    assert said.startswith(
        "dtype_policy=mixed_float16: the layers of my_model.py have policies of their own (lstm: float32)"
    )


def test_batches_that_the_file_makes_cannot_be_given_another_size(tmp_path: Path) -> None:
    said = sentence(file_of(tmp_path, BUILD, GENERATOR), batch_size=8)
    assert said.startswith("batch_size=8: data() of my_model.py makes its batches itself")


def test_an_axis_that_the_file_does_not_have_is_named_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    axes = design_of(file_of(tmp_path, BUILD, DATA)).axes
    with pytest.raises(UserError, match=r"'lr' is not an axis; did you mean learning_rate\?"):
        axes.parse_assignments(["lr=0.1"])
    with pytest.raises(UserError, match=r"'unit' is not an axis; did you mean units\?"):
        axes.parse_assignments(["unit=3"])


def test_a_sentence_of_a_broken_file_is_one_of_the_users_errors() -> None:
    assert issubclass(ModelError, UserError)

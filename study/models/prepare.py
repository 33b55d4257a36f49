"""Builds a trial of a model file: the compiled model, its data and what was set, ready to train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.engine.runtime import keras, tf
from study.models import settings
from study.models.blame import ModelError, blaming
from study.models.data import Arrays, data_of
from study.models.file import Functions, ModelFile
from study.models.keras_seeds import draw_them_apart
from study.models.prepared import Prepared
from study.models.signature import GENERAL, parameters_of
from study.trial.axes import BUDGET, SEED
from study.trial.model_design import ModelConfig


def prepare(file: ModelFile, config: ModelConfig) -> Prepared:
    """Build a trial's model and data.

    What Keras and the file's code carry from one trial to the next is put back first: the numbers in the names of
    layers, precision, random generators, and the file's own module.

    Raises:
        ModelError: The file's code raises an exception, returns something else than it should, or takes a setting
            that cannot be set.
    """
    assert config.design.sha256 == file.sha256
    start_anew(seed=config.seed)
    functions = file.load()
    taken = set(parameters_of(functions.build)) | set(parameters_of(functions.data))
    left = {name: value for name, value in _asked(config).items() if name not in taken}
    if "dtype_policy" in left:
        keras.config.set_dtype_policy(left["dtype_policy"])
    keras.utils.set_random_seed(config.seed)
    model = _compiled(functions.call("build", arguments(functions, "build", config)), file)
    settings.apply(model, left, name=file.name)
    model.make_train_function(force=True)  # one that was traced before would not know the settings

    def data() -> Any:
        return functions.call("data", arguments(functions, "data", config))

    batch_size = int(config["batch_size"] or 0)
    with blaming(file.path, doing="data()"):
        found = data_of(data(), name=file.name, batch_size=batch_size, seed=config.seed, again=data)
    if not isinstance(found, Arrays) and "batch_size" in left:
        raise ModelError(
            f"batch_size={batch_size}: data() of {file.name} makes its batches itself and takes no batch_size"
        )
    return Prepared(name=file.name, path=file.path, config=config, model=model, data=found, file=file)


def start_anew(*, seed: int) -> None:
    """Put back whatever of Keras and TensorFlow a trial may have changed in this process."""
    draw_them_apart()
    keras.utils.clear_session()
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    tf.config.run_functions_eagerly(False)
    keras.utils.set_random_seed(seed)


def arguments(functions: Functions, which: str, config: ModelConfig) -> dict[str, Any]:
    """The values of the axes that one of the two functions takes."""
    values = config.values()
    return {name: values[name] for name in parameters_of(getattr(functions, which))}


def _asked(config: ModelConfig) -> Mapping[str, Any]:
    """General axes that do not stand at what the file has."""
    return {
        name: value
        for name, value in config.values().items()
        if name in GENERAL and name not in (SEED, BUDGET) and value != config.axes[name].default
    }


def _compiled(model: Any, file: ModelFile) -> keras.Model:
    if not isinstance(model, keras.Model):
        kind = "nothing" if model is None else f"a {type(model).__module__}.{type(model).__qualname__}"
        kind = kind.replace("builtins.", "")  # the rest tells one library's Model from another's
        raise ModelError(f"{file.name}: build() returns {kind}; it returns a compiled keras.Model")
    if not model.compiled or model.optimizer is None:
        raise ModelError(
            f"{file.name}: build() returns a model that is not compiled; call model.compile(optimizer=..., loss=...)"
        )
    return model

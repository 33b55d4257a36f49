"""A training that is ready to begin: the compiled model, its data and what was set.

Whoever wants to know what a change to a model does prepares it, changes it and trains it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras

from study.models.blame import ModelError
from study.models.data import Arrays, Data
from study.models.file import ModelFile
from study.trial.model_design import ModelConfig


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What `train` takes.

    Attributes:
        name: Of the model, for an error message: its file's.
        path: Of the user's source, whose line an error message names; empty where there is none.
        config: The trial.
        model: Compiled. Its weights are the initial ones.
        data: What it is trained on.
        file: The model file; None of a model that is there without one.
    """

    name: str
    path: str
    config: ModelConfig
    model: keras.Model
    data: Data
    file: ModelFile | None = None

    def with_data(self, function: Callable[[str, Any], Any]) -> Prepared:
        """The same with other arrays; see `Arrays.map`.

        Raises:
            ModelError: The data are a stream.
        """
        if not isinstance(self.data, Arrays):
            raise ModelError(f"{self.name}: the data are a stream, whose numbers cannot be changed from outside")
        return replace(self, data=self.data.map(function))

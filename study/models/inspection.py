"""The axes of a model file, found out in a process of its own: a sweep's own process never runs the user's code."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from study.models.blame import ModelError
from study.models.file import ModelFile
from study.trial.model_design import ModelDesign


def inspect(file: ModelFile) -> ModelDesign:
    """Run a model file elsewhere and return what it can be trained with.

    Raises:
        ModelError: As of `study.models.signature.design_of`, or the file ends its process.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_quiet) as pool:
        try:
            return pool.submit(_design_of, file).result()
        except BrokenProcessPool as error:
            raise ModelError(f"{file.name}: ends its process when it is run") from error


def _quiet() -> None:
    """What the user's code prints is none of the answer."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _design_of(file: ModelFile) -> ModelDesign:
    from study.models.signature import design_of

    return design_of(file)

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tensorflow.python.framework import config

# Tests of the engines share this process, and need TensorFlow set up before anything computes with it.
import study.engine.runtime  # noqa: F401

SPECIMENS = Path(__file__).parent / "specimens"


@pytest.fixture
def specimen() -> Callable[[str], ModuleType]:
    """Loads a model file of the examples."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"specimen_{name}", SPECIMENS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def xla() -> Iterator[None]:
    """Lets Keras compile with XLA, which it does not where operations are to be deterministic."""
    config.disable_op_determinism()
    yield
    config.enable_op_determinism()

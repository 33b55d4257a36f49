from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

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

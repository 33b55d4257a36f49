"""Which line of the user's code an operation was executed for, and what it is called there."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import keras
import tensorflow as tf

import study
from study.models.walk.place import UsersLine


def _folder(file: str | None) -> str:
    return str(Path(str(file)).parent) + "/"


LIBRARIES = (
    _folder(keras.__file__),
    _folder(tf.__file__),
    _folder(study.__file__),
    *(sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)

ROUNDABOUT = frozenset(
    {
        *("error_handler", "op_dispatch_handler", "wrapper", "wrapped_fn", "__call__"),
        *("binary_op_wrapper", "r_binary_op_wrapper"),
    }
)
"""Functions of the libraries between a user's line and the one called there."""

OF_OPERATIONS = {
    "RealDiv": "truediv",
    "Div": "truediv",
    "FloorDiv": "floordiv",
    "AddV2": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Pow": "power",
    "Neg": "negative",
    "MatMul": "matmul",
    "BatchMatMulV2": "matmul",
    "BatchMatMulV3": "matmul",
    "SelectV2": "where",
    "Select": "where",
}
"""What operations of TensorFlow are called in Python, where it is not their name in lower case."""


@lru_cache(maxsize=4096)
def is_users(file: str) -> bool:
    """Whether a source file is the user's own: neither Python's, nor this package's, nor an installed one's."""
    if file.startswith("<"):
        return file.startswith(("<ipython", "<stdin", "<string"))
    return not file.startswith(LIBRARIES)


def written_by_user(thing: Any) -> bool:
    """Whether a function, or the class of an object, is defined in a file of the user's."""
    code = getattr(thing, "__code__", None)
    if isinstance(code, CodeType):
        return is_users(code.co_filename)
    module = sys.modules.get(type(thing).__module__)
    file = getattr(module, "__file__", None)
    return is_users(file) if file else type(thing).__module__ == "__main__"


def operation_name(kind: str) -> str:
    """TensorFlow's name of an operation as a function's."""
    if kind in OF_OPERATIONS:
        return OF_OPERATIONS[kind]
    parts = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)
    return parts.strip("_")


def users_line(kind: str, *, outermost: CodeType, between: CodeType) -> UsersLine | None:
    """The innermost line of the user's that is being executed.

    Args:
        kind: TensorFlow's name of the operation.
        outermost: Code of the function to look no further than.
        between: Code of the function through which layers are called: where the line is outside of it, it does not
            call the operation but a layer.
    """
    inner: list[FrameType] = []
    for frame in _frames(outermost):
        if is_users(frame.f_code.co_filename):
            source = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            of_a_layer = any(one.f_code is between for one in inner)
            return UsersLine(operation=None if of_a_layer else _called(inner, kind), source=source)
        inner.append(frame)
    return None


def gradient_function(outermost: CodeType) -> FrameType | None:
    """The call of TensorFlow's function for the derivative of one operation that is being executed.

    Its local variables are `op_name`, and of the operation those of `inputs` and `outputs` that TensorFlow kept, and
    the upstream gradients `out_grads`.
    """
    return next((frame for frame in _frames(outermost) if frame.f_code.co_name == "_gradient_function"), None)


def _frames(outermost: CodeType) -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code is not outermost:
        yield frame
        frame = frame.f_back


def _called(inner: list[FrameType], kind: str) -> str:
    for frame in reversed(inner):
        name = frame.f_code.co_name
        if frame.f_code.co_filename.startswith(LIBRARIES[2]):
            break
        if name not in ROUNDABOUT:
            public = name.strip("_")
            if name.startswith("_") and not name.startswith("__"):
                break
            return public if public.isidentifier() and public != "lambda" else operation_name(kind)
    return operation_name(kind)

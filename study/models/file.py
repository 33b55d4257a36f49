"""The model file: its text, and the two functions that its code defines.

The code of a user is run here and nowhere else, and only where a trial is trained or its axes are asked for: reading a
study never runs it. It is run from the text that the study carries and not from the disk, so that a worker on another
machine has the very same code.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from study.models.blame import ModelError, blaming
from study.trial.errors import UserError

MODULE = "model_file"
"""Name of the module that the code of a file is run in."""

RETURNS = {"build": "returns a compiled keras.Model", "data": "returns what model.fit takes"}
"""The two functions, and what they are for."""


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A file that defines a model and its data.

    Attributes:
        path: Where it was read. On another machine there need not be such a file.
        text: What it said then.
    """

    path: str
    text: str

    @classmethod
    def read(cls, path: str | Path, *, where: str = "--model") -> ModelFile:
        """Read a file without running it.

        Args:
            path: Of the file.
            where: What names the file, for an error message.

        Raises:
            UserError: There is no such file, or it is no text in UTF-8.
        """
        try:
            text = Path(path).read_bytes().decode()
        except FileNotFoundError:
            raise UserError(f"{where} {path}: there is no such file") from None
        except OSError as error:
            raise UserError(f"{where} {path}: cannot be read ({error.strerror or error})") from error
        except UnicodeDecodeError as error:
            raise UserError(f"{where} {path}: is no text in UTF-8 (byte {error.start})") from error
        return cls(path=str(Path(path).absolute()), text=text)

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.path).name

    @property
    def sha256(self) -> str:
        """Of the file's bytes, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def load(self) -> Functions:
        """Run the file's code.

        Every call runs it anew, so that nothing is carried from one trial to the next by its module.

        Raises:
            ModelError: The code is no Python, raises an exception, or lacks one of the two functions.
        """
        importlib.import_module("study.engine.runtime")  # before the user's code gets hold of TensorFlow
        try:
            tree = ast.parse(self.text.removeprefix("\ufeff"), self.path)
            code = compile(tree, self.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ModelError(f"{self.name}:{error.lineno}: is no Python ({error.msg})") from error
        except ValueError as error:
            raise ModelError(f"{self.name}: is no Python ({error})") from error
        for name in RETURNS:
            # A script may train for hours before it is known to define no such function.
            if not _may_define(tree, name):
                raise _undefined(self, name)
        # What shows source lines asks here first; the disk may have another text by now, or none.
        linecache.cache[self.path] = (len(self.text), None, self.text.splitlines(keepends=True), self.path)
        module = ModuleType(MODULE)
        module.__file__ = self.path
        sys.modules[MODULE] = module
        folder = str(Path(self.path).parent)
        if folder not in sys.path:
            sys.path.append(folder)  # at the end: nothing beside the file may hide an installed package
        with blaming(self.path, doing="running it"):
            exec(code, module.__dict__)
        return Functions(file=self, build=_function(self, module, "build"), data=_function(self, module, "data"))


@dataclass(frozen=True, kw_only=True)
class Functions:
    """The two functions of a model file.

    Attributes:
        file: That defines them.
        build: Returns a compiled model.
        data: Returns whatever `fit` takes.
    """

    file: ModelFile
    build: Callable[..., Any]
    data: Callable[..., Any]

    def call(self, name: str, values: dict[str, Any]) -> Any:
        """Call `build` or `data` with values of its parameters, by name.

        Raises:
            ModelError: It raises an exception.
        """
        function: Callable[..., Any] = getattr(self, name)
        arguments = inspect.signature(function).bind_partial()
        arguments.arguments.update(values)
        with blaming(self.file.path, doing=f"{name}()"):
            return function(*arguments.args, **arguments.kwargs)


def _function(file: ModelFile, module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if found is None:
        raise _undefined(file, name)
    from study.engine.runtime import keras

    if not callable(found) or isinstance(found, keras.Layer):  # a model can be called, too
        raise ModelError(f"{file.name}: {name} is {type(found).__name__} and not a function, which {RETURNS[name]}")
    return found  # type: ignore[no-any-return]


def _undefined(file: ModelFile, name: str) -> ModelError:
    return ModelError(f"{file.name}: defines no function {name}(), which {RETURNS[name]}")


def _may_define(tree: ast.Module, name: str) -> bool:
    """Whether some line of a file may give a name a meaning."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=found) | ast.AsyncFunctionDef(name=found) | ast.ClassDef(name=found):
                names = [found]
            case ast.Name(id=found, ctx=ast.Store()):
                names = [found]
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names = [alias.asname or alias.name for alias in aliases]
            case ast.Call(func=ast.Name(id="exec" | "globals" | "setattr")):
                names = [name]
            case _:
                continue
        if name in names or "*" in names:
            return True
    return False

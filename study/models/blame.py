"""Exceptions of a user's code in one sentence: the last line of their file that was being executed, and the message."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from study.trial.errors import UserError

LONGEST = 300
"""Characters of an exception's message that are shown."""

AROUND = (
    re.compile(r"^Exception encountered when calling .*?\.call\(\)\.\s+"),
    re.compile(r"(?<=\.) Received: [\[(].*", re.DOTALL),
)
"""What Keras puts before a message, and the arrays that it writes out after one."""

NODE = re.compile(r" for '\{\{node (\S+?)\}\}.*", re.DOTALL)
"""How TensorFlow writes an operation of a graph, with all its attributes."""


class ModelError(UserError):
    """A model file, or what its functions return, that cannot be trained; told in one sentence."""


@contextmanager
def blaming(path: str, *, doing: str) -> Iterator[None]:
    """Turn what user's code raises into a sentence.

    Args:
        path: Of the user's file.
        doing: What is being done, for an exception that is not raised from a line of that file.

    Raises:
        ModelError: In place of any other exception, `SystemExit` included.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(sentence(error, path=path, doing=doing)) from error


def sentence(error: BaseException, *, path: str, doing: str) -> str:
    """What happened, where in a user's file."""
    line = last_line(error, path)
    where = f"{Path(path).name}:{line}" if line else f"{Path(path).name}: {doing}"
    if isinstance(error, SystemExit):
        return f"{where}: ends the program (SystemExit) instead of returning"
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{where}: there is no module {error.name!r} here; a model file may import what is installed wherever it "
            "is trained"
        )
    kind, said = _inside(error)
    said = said or (linecache.getline(path, line).strip() if line else "") or "it says nothing"
    return f"{where}: {kind}: {said}"


def last_line(error: BaseException, path: str) -> int | None:
    """Number of the last line of a file in an exception's traceback; None where no line of it is there."""
    seen: BaseException | None = error
    # Keras raises some exceptions again, with the first as their context.
    while seen is not None:
        lines = [number for frame, number in traceback.walk_tb(seen.__traceback__) if frame.f_code.co_filename == path]
        # TensorFlow runs Python of the user's in threads of its own, and hands on the traceback as text.
        lines = lines or [int(number) for number in re.findall(rf'File "{re.escape(path)}", line (\d+)', str(seen))]
        if lines:
            return lines[-1]
        seen = seen.__cause__ or seen.__context__
    return None


def message(error: BaseException) -> str:
    """An exception's message on one line, without what Keras and TensorFlow put around it."""
    return _inside(error)[1] or type(error).__name__


def _inside(error: BaseException) -> tuple[str, str]:
    """Type and message of what was raised first, found in the text of what was raised for it."""
    kind, text = type(error).__name__, re.sub(r"\x1b\[\d+m", "", str(error))
    if "\n" in text:
        # The text of a traceback ends with the exception, and TensorFlow's notes on a graph follow its last line.
        text = re.split(r"\n\s*\[\[\{\{node|\n\s*Arguments received by |\s*\[Op:", text)[0].strip()
        raised = list(
            re.finditer(r"^\s*([A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Iteration)): (.+)", text, re.MULTILINE)
        )
        if raised and ("in user code:" in text or "Traceback (most recent call last)" in text):
            kind, text = raised[-1][1].rpartition(".")[2], text[raised[-1].start(2) :]
        elif text.startswith("Graph execution error"):
            operation = re.search(r"Detected at node (\S+) defined at", text)
            text = text.splitlines()[-1] + (f" ({operation[1]})" if operation else "")
    for around in AROUND:
        text = around.sub("", text)
    text = " ".join(NODE.sub(r" (\1)", text).split())
    return kind, f"{text[:LONGEST]}..." if len(text) > LONGEST else text

"""How commands answer to mistakes and interruptions: one sentence, and an exit status that says which it was."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from study.trial.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

KEPT = "everything finished is kept, and the same command goes on from there"
"""What an interrupted sweep says of its work."""


class Refused(click.ClickException):
    """Something the user can mend."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C or SIGTERM; the message says what is kept."""

    exit_code = 130

    def show(self, file: Any = None) -> None:
        click.echo(self.format_message(), file=file, err=file is None)


class Command(click.Command):
    """A command that takes an empty text for none of its options and arguments: it is a slip of a script's.

    Taken for an option that is absent, `--name "$NAME"` would work on another study than was meant.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in self.get_params(ctx):
            value = given.get(parameter.name or "")
            if any(isinstance(text, str) and not text.strip() for text in _each(value)):
                raise click.BadParameter("an empty text is given; leave it out or give one", ctx=ctx, param=parameter)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """The commands; `obj` of the context is the command line as it was given, for the record."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        assert isinstance(cmd, Command), f"{cmd.name}: declare it with @click.command(cls=Command)"
        super().add_command(cmd, name)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with in_one_sentence():
            return super().make_context(info_name, args, parent, obj=shlex.join(["study", *args]), **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with in_one_sentence():
            return super().invoke(ctx)


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Turn what a user can mend, and an interruption, into what click shows in a sentence and exits with."""
    try:
        yield
    except UserError as error:
        raise Refused(str(error)) from error
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        see = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        raise Refused(f"{error.format_message().rstrip('.')}{see}") from error
    except KeyboardInterrupt as interruption:
        raise Interrupted("Interrupted.") from interruption


@contextmanager
def interruptible(kept: str) -> Iterator[Event]:
    """Ctrl-C and SIGTERM as an event, and the interruption that comes of it as a sentence.

    Args:
        kept: What is kept of the work so far, as the end of that sentence.
    """
    from study.sweep.interrupt import stop_on_signals

    with stop_on_signals() as stop:
        try:
            yield stop
        except KeyboardInterrupt as interruption:
            raise Interrupted(f"Interrupted; {kept}.") from interruption


def command_line() -> str:
    """The command line that is being run, for the record."""
    return str(click.get_current_context().obj)


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints names and values as they are, `[brackets]` and `:colons:` too."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False)


def _each(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)

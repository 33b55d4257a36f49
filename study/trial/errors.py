"""The error type that stands for something a user can mend."""

from __future__ import annotations


class UserError(Exception):
    """A mistake or an outage outside the program, told in one sentence.

    The message says what was given, where, and what is allowed or what to do. The command line prints it
    and exits with status 2; nothing else catches it.
    """


class OutOfMemory(UserError):
    """A trial that needs more memory than this machine, or this GPU, has."""

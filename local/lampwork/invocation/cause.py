"""Why a function is invoked, where neither its event nor its trace header says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cause:
    """What invokes a function: its `kind`, such as "schedule", and the `name` it has there.

    `replay_of` is the number of the invocation in the history whose event is sent once more; such
    a cause has no kind of its own, since its event tells it.
    """

    kind: str = ""
    name: str = ""
    replay_of: int | None = None


_CAUSE: Final[ContextVar[Cause | None]] = ContextVar("cause", default=None)

present = _CAUSE.get
"""The cause of the invocations that begin here; None if their events tell it."""


@contextmanager
def caused_by(cause: Cause | None) -> Iterator[None]:
    """Let the invocations that begin in this block have this cause."""
    token = _CAUSE.set(cause)
    try:
        yield
    finally:
        _CAUSE.reset(token)

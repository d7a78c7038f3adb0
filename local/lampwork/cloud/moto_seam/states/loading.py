"""Loads moto's interpreter of state machines, which takes a while."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

BATCH: Final = "moto.batch"


def load_interpreter(*arguments: Any) -> Any:
    """An `interpreter.Interpreter`.

    Raises:
        UnknownVersion: moto's interpreter is not as Lampwork knows it.
    """
    with _without_batch():
        from lampwork.cloud.moto_seam.states import interpreter
    return interpreter.Interpreter(*arguments)


@contextmanager
def _without_batch() -> Iterator[None]:
    """The interpreter needs one enumeration of moto's Batch. Loading the rest of that package would
    load EC2 and take four fifths of the time, so meanwhile an empty package stands there."""
    spec = None if BATCH in sys.modules else find_spec(BATCH)
    if spec is None:
        yield
        return
    package = ModuleType(BATCH)
    package.__path__ = spec.submodule_search_locations or []
    sys.modules[BATCH] = package
    try:
        yield
    finally:
        del sys.modules[BATCH]

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lampwork.errors import ConfigurationError


def prepare(path: Path) -> None:
    """Take away what an earlier run has left, which its killed process could not.

    Raises:
        ConfigurationError: nothing can be written there.
    """
    new = _new(path)
    try:
        path.unlink(missing_ok=True)
        new.touch()
        new.unlink()
    except OSError as error:
        raise ConfigurationError(f"--ready-file: {error.strerror}: {path}.") from error


@contextmanager
def ready(path: Path, origin: str) -> Iterator[None]:
    """A file that is there while requests are answered: `{"origin": "http://…", "pid": 123}`.

    It appears whole, so a program that waits for it never reads a part.
    """
    new = _new(path)
    new.write_text(json.dumps({"origin": origin, "pid": os.getpid()}) + "\n")
    new.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _new(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")

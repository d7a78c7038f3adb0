import sys
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import click

from lampwork.errors import ConfigurationError

# A wheel's folder must not hide files from git, so this one is renamed when it is written.
RENAMED: Final = {"gitignore": ".gitignore"}
NOT_WRITTEN: Final = "__pycache__"
# The starter's runtime becomes that of this interpreter: what runs here is what `sam build` needs.
RUNTIME: Final = b"python3.13"
SAID: Final = """\
Next:
  {change}lampwork up
  python -m websockets ws://localhost:8000/live
  curl -d '{{"text": "hello"}}' http://localhost:8000/jobs"""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
def init(folder: Path) -> None:
    """Write a small project that runs at once.

    It has an HTTP API, a queue, a WebSocket API and tests. FOLDER is the current one unless named.
    Nothing that is there is changed.
    """
    with as_file(files(__package__) / "starter") as starter:
        written = {folder / path: starter / source for source, path in _paths(starter)}
        there = [f"{path}" for path in written if path.exists()]
        if there:
            raise ConfigurationError(f"Already there, so nothing was written: {', '.join(there)}.")
        try:
            for path, source in written.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(source.read_bytes().replace(RUNTIME, _runtime()))
                click.echo(f"wrote {path}")
        except OSError as error:
            raise ConfigurationError(f"{error.strerror}: {error.filename}.") from error
    here = folder.resolve() == Path.cwd()
    click.echo(SAID.format(change="" if here else f"cd {folder} && "))


def _runtime() -> bytes:
    return b"python%d.%d" % sys.version_info[:2]


def _paths(starter: Path) -> Iterator[tuple[Path, Path]]:
    """Each file of the starter, and its place in a project."""
    for path in sorted(starter.rglob("*")):
        if path.is_file() and NOT_WRITTEN not in path.parts:
            place = path.relative_to(starter)
            yield place, place.with_name(RENAMED.get(place.name, place.name))

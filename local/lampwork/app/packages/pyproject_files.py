"""Reads what a pyproject.toml asks for, where a function's `BuildMethod` is `python-uv`.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-python-uv.html
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lampwork.app.packages.requirement_files import Requirements, read_lines
from lampwork.errors import ConfigurationError

FILE: Final = "pyproject.toml"
BUILD_METHOD: Final = "python-uv"

_DEPENDENCY: Final = re.compile(r"([A-Za-z0-9._-]+)\s*(\[[^]]*\])?[^;]*(;.*)?$")


def read_pyproject(file: Path, root: Path) -> Requirements:
    """
    Of `tool.uv.sources`, paths and members of the workspace are read, and git and URLs.

    Raises:
        ConfigurationError: the file cannot be read, or names a project that is not there.
    """
    content = _read(file)
    dependencies = _part(content, "project").get("dependencies", [])
    sources = {_normalized(name): each for name, each in _sources(content, file).items()}
    lines = [_line(each, sources, file) for each in dependencies if isinstance(each, str)]
    return read_lines(lines, file, root)


def _line(dependency: str, sources: Mapping[str, Any], file: Path) -> str:
    found = _DEPENDENCY.match(dependency)
    source = sources.get(_normalized(found[1])) if found else None
    if not found or not isinstance(source, Mapping):
        return dependency
    name, extras, marker = found[1], found[2] or "", f" {found[3]}" if found[3] else ""
    match source:
        case {"path": str(path)}:
            return f"./{path}{extras}{marker}" if path[0] != "/" else f"{path}{extras}{marker}"
        case {"workspace": True}:
            return f"{_member(name, file)}{extras}{marker}"
        case {"git": str(url)}:
            at = next((source[key] for key in ("rev", "tag", "branch") if key in source), "")
            return f"{name}{extras} @ git+{url}{f'@{at}' if at else ''}{marker}"
        case {"url": str(url)}:
            return f"{name}{extras} @ {url}{marker}"
    return dependency


def _sources(content: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The project's own, and for all others those of its workspace."""
    found = [_part(content, "tool", "uv", "sources")]
    if workspace := _workspace(file):
        found.append(_part(_read(workspace), "tool", "uv", "sources"))
    return {name: source for each in reversed(found) for name, source in each.items()}


def _member(name: str, file: Path) -> Path:
    workspace = _workspace(file)
    for folder in _members(workspace) if workspace else ():
        its_name = str(_part(_read(folder / FILE), "project").get("name"))
        if _normalized(its_name) == _normalized(name):
            return folder
    raise ConfigurationError(f"{file}: no member of its workspace is named {name}.")


def _workspace(file: Path) -> Path | None:
    """The pyproject.toml of the workspace that a project is in."""
    for folder in (file.parent, *file.parent.parents):
        candidate = folder / FILE
        if candidate.is_file() and _part(_read(candidate), "tool", "uv", "workspace"):
            return candidate
    return None


def _members(workspace: Path) -> Iterator[Path]:
    for pattern in _part(_read(workspace), "tool", "uv", "workspace").get("members", []):
        folders = workspace.parent.glob(str(pattern))
        yield from (folder for folder in folders if (folder / FILE).is_file())
    yield workspace.parent


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file}: {error}.") from error


def _part(content: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        inner = content.get(name)
        content = inner if isinstance(inner, Mapping) else {}
    return content


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

"""What a project asks for as a whole: its uv.lock, its poetry.lock or its requirements.txt."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lampwork.app.packages.present import holds
from lampwork.app.packages.pyproject_files import FILE as PYPROJECT
from lampwork.app.packages.pyproject_files import read_pyproject
from lampwork.app.packages.requirement_files import (
    FILE,
    Requirements,
    read_lines,
    read_requirements,
)
from lampwork.errors import ConfigurationError

LOCKS: Final = ("uv.lock", "poetry.lock")
# The sources of a locked package that is no release with a version.
ELSEWHERE: Final = frozenset(("directory", "editable", "git", "path", "url", "virtual"))


@dataclass(frozen=True, slots=True)
class Asked:
    """What `file` asks for: `requirements`, in the versions that the `constraints` of a lock
    allow."""

    file: Path
    requirements: Requirements
    constraints: tuple[str, ...] = ()

    @property
    def files(self) -> set[Path]:
        """All files that decide what is installed."""
        return {self.file, *self.requirements.files}

    def is_in(self, folders: Iterable[str]) -> bool:
        """Whether one of the folders has all that is asked for."""
        names, projects = self.requirements.names, self.requirements.projects
        places = [Path(each) for each in folders]
        return any(each.is_dir() and holds(each, names, projects) for each in places)


def asked_by(root: Path) -> Asked | None:
    """What the project in this folder asks for; None if it asks for nothing.

    Raises:
        ConfigurationError: a file cannot be read, or names a project that is not there.
    """
    pyproject = root / PYPROJECT
    for lock in (root / name for name in LOCKS):
        if lock.is_file() and pyproject.is_file():
            content = _toml(pyproject)
            requirements = read_pyproject(pyproject, root)
            of_poetry = list(_of_poetry(content.get("tool", {}).get("poetry", {})))
            more = read_lines(of_poetry, pyproject, root)
            requirements.lines += more.lines
            requirements.names += more.names
            requirements.projects += more.projects
            return _unless_empty(Asked(lock, requirements, tuple(_pins(_toml(lock)))))
    file = root / FILE
    return _unless_empty(Asked(file, read_requirements(file, root))) if file.is_file() else None


def _unless_empty(asked: Asked) -> Asked | None:
    return asked if asked.requirements.asks else None


def _pins(lock: Mapping[str, Any]) -> Iterator[str]:
    """The versions of a lock. Where it has several of a package, for other platforms, the installer
    chooses."""
    packages = [
        (str(each.get("name")), str(each["version"]))
        for each in lock.get("package", ())
        if "version" in each and not _is_elsewhere(each.get("source", {}))
    ]
    times = Counter(name for name, _ in packages)
    yield from (f"{name}=={version}" for name, version in packages if times[name] == 1)


def _is_elsewhere(source: Mapping[str, Any]) -> bool:
    """uv names the kind of a source by its key, Poetry by its type."""
    kinds = {source["type"]} if "type" in source else set(source)
    return bool(kinds & ELSEWHERE)


def _of_poetry(table: Mapping[str, Any]) -> Iterator[str]:
    """The dependencies of `tool.poetry`, without versions: those are in the lock.

    https://python-poetry.org/docs/dependency-specification/
    """
    for name, wanted in table.get("dependencies", {}).items():
        each = wanted if isinstance(wanted, Mapping) else {}
        if name == "python" or each.get("optional"):
            continue
        extras = f"[{','.join(each['extras'])}]" if each.get("extras") else ""
        marker = f" ; {each['markers']}" if each.get("markers") else ""
        match each:
            case {"path": str(path)}:
                yield f"{path if path[0] in './' else f'./{path}'}{extras}{marker}"
            case {"git": str(url)}:
                at = next((each[key] for key in ("rev", "tag", "branch") if key in each), "")
                yield f"{name}{extras} @ git+{url}{f'@{at}' if at else ''}{marker}"
            case {"url": str(url)}:
                yield f"{name}{extras} @ {url}{marker}"
            case _:
                yield f"{name}{extras}{marker}"


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file}: {error}.") from error

"""Where a function's process finds its code, layers and temporary files: at Lambda's paths, or in
the folders themselves."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lampwork.runtime.world.mounts import OPT, TASK, TMP, World
from lampwork.stack.model import Function

# Variables that hold paths: where nothing is mounted, Lambda's paths in them are replaced.
PATHS: Final = ("AWS_LAMBDA_EXEC_WRAPPER", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
# What `sam build` leaves out or nobody would package; a project's environment has many links.
NOT_CODE: Final = frozenset(("__pycache__", "node_modules", "site-packages", "venv"))


@dataclass(frozen=True, slots=True)
class Places:
    """The paths that a function's process is told.

    `task` is its code's folder, `packages` are those where Python looks for its layers' and
    requirements' modules, `layers` those of its layers as a whole; `temporary` is for its files.
    """

    task: str
    packages: tuple[str, ...]
    layers: tuple[str, ...]
    temporary: str

    @classmethod
    def own(cls, function: Function, temporary: Path) -> "Places":
        """The folders themselves."""
        return cls(
            str(function.code_dir),
            tuple(map(str, function.packages)),
            tuple(map(str, function.layers)),
            str(temporary),
        )

    @classmethod
    def lambdas(cls, function: Function, temporary: str) -> "Places":
        """Lambda's paths, with what is mounted at them.

        https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
        """
        site = f"{OPT}/python/lib/{function.runtime}/site-packages"
        has_layers = bool(function.layers or function.layer_requirements)
        return cls(
            TASK,
            (site, f"{OPT}/python") if has_layers else (),
            (OPT,),
            temporary,
        )


def world_of(function: Function, temporary: Path | None, needed: Iterable[str]) -> World:
    """What is mounted for a function. `needed` are paths that it must find even below /tmp. Without
    a `temporary` folder, it shares this machine's /tmp."""
    upper_first = function.layers[::-1]
    sources = function.source_layers
    modules = [each if each in sources else each / "python" for each in upper_first]
    return World(
        code=str(function.code_dir),
        links=function.outer_links,
        packages=[str(function.requirements)] if function.requirements else [],
        opt=[str(layer) for layer in upper_first if layer not in sources],
        opt_python=[str(folder) for folder in (*modules, *function.layer_requirements)],
        tmp=str(temporary or ""),
        kept=_topmost(path for path in needed if path.startswith(f"{TMP}/")),
    )


def paths_in(variables: Mapping[str, str]) -> Iterator[str]:
    """The places in /tmp that variables name and that exist: another program's socket, a folder,
    the folder of a file, which may be /tmp itself."""
    for value in variables.values():
        _, *rests = value.split(f"{TMP}/")
        for rest in rests:
            name = rest
            for end in " \t\n,;:\"'?&|":
                name = name.partition(end)[0]
            path = f"{TMP}/{name}".rstrip("/")
            if path != TMP and os.path.exists(path):
                # What a program writes beside a file, such as a database's journal, belongs to it.
                yield os.path.dirname(path) if os.path.isfile(path) else path


def outer_links(folder: Path) -> dict[str, str]:
    """The links in a folder that lead out of it, and where they lead.

    `sam build` copies what they lead to; from /var/task a relative one would lead elsewhere.
    """
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = f"{parent}/{name}"
            if os.path.islink(path):
                target = os.path.realpath(path)
                if not Path(target).is_relative_to(folder):
                    found[os.path.relpath(path, folder)] = target
        folders[:] = [each for each in folders if each not in NOT_CODE and not each.startswith(".")]
    return found


def without_mounts(variables: Mapping[str, str], function: Function) -> dict[str, str]:
    """The variables with Lambda's paths replaced by the folders that would be mounted there."""
    return {
        name: (
            ":".join(_found(part, function) for part in value.split(":"))
            if name in PATHS and (TASK in value or OPT in value)
            else value
        )
        for name, value in variables.items()
    }


def editors_path(path: str, function: Function) -> str:
    """The path at which an editor finds what a function knows by one of Lambda's paths."""
    return _found(path, function)


def _found(path: str, function: Function) -> str:
    if path == TASK or path.startswith(f"{TASK}/"):
        folders = [function.code_dir, *([function.requirements] if function.requirements else [])]
        return _in_first(folders, path[len(TASK) :].lstrip("/"))
    if path.startswith(f"{OPT}/python/"):
        modules = [*function.source_layers, *function.layer_requirements]
        found = _in_first(modules, path.removeprefix(f"{OPT}/python/"))
        if os.path.exists(found):
            return found
    if path.startswith(f"{OPT}/") and function.layers:
        return _in_first(function.layers[::-1], path.removeprefix(f"{OPT}/"))
    return path


def _in_first(folders: Sequence[Path], name: str) -> str:
    """The path of a file in the first of the folders that has it, else in the first of all."""
    holders = [folder for folder in folders if (folder / name).exists()]
    found = next(iter((*holders, *folders)), Path()) / name
    return os.path.realpath(found) if found.exists() else str(found)


def _topmost(paths: Iterable[str]) -> list[str]:
    """Each path that is in no other."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(path == other or path.startswith(f"{other}/") for other in kept):
            kept.append(path)
    return kept

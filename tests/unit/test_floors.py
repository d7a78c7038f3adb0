"""Which room may import which, and how many modules a folder may hold. The rooms of a package, its
folders and the modules at its top, are on floors. Each room imports only from the floors below its
own, so that a change affects what is above it and nothing below.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

MOST_MODULES = 8

PACKAGES = {
    "lampwork": ROOT / "local" / "lampwork",
    "lampwork.template": ROOT / "local" / "lampwork" / "template",
    "shared": ROOT / "shared",
}

# From the ground up. Rooms on one floor do not import each other.
FLOORS: dict[str, list[set[str]]] = {
    "lampwork": [
        {"errors", "clock", "concurrency", "timestamps", "json_text"},
        {"interpreters", "invocation", "seams", "vtl"},
        {"http", "logs"},
        {"stack"},
        {"events", "config", "metrics", "permissions"},
        {"template", "companions", "history"},
        {"runtime", "triggers", "cloud"},
        {"front"},
        {"console"},
        {"app", "testing"},
        {"commands"},
        {"cli", "pytest_plugin"},
        {"__main__"},
    ],
    "lampwork.template": [
        {"source", "inline"},
        {"language"},
        {"resource"},
        {"code", "log_config", "state_machine_gaps", "streams"},
        {"images", "layers", "state_machines"},
        {"functions", "triggers"},
        {"apis", "custom_resources", "permissions"},
        {"cloud_resources", "deployed_stacks"},
        {"reader"},
    ],
    "shared": [
        {"errors", "clock", "singletons", "email_addresses", "secrets"},
        {"settings", "strict_json", "models", "dependencies"},
        {"process", "plans", "database", "clients"},
        {"queues", "security", "generators"},
        {"stream"},
        {"engine"},
        {"schemas"},
        {"repositories"},
        {"limits", "mail"},
        {"services"},
        {"web"},
    ],
}

# Folders that hold more modules, each with the reason why it is not split.
LARGE = {
    "lampwork": "what every room may know, and the ways in: as a command and for pytest",
    "lampwork/cloud": "one module for each thing that moto lacks or does otherwise than AWS",
    "lampwork/cloud/moto_seam": "one module for each service of moto",
    "lampwork/cloud/creation": "one module for each service in which something is created",
    "lampwork/cloud/persistence": "one module for each service that is kept",
    "lampwork/commands": "one module for each command, and what they share",
    "lampwork/companions": "one module for each kind of program beside the functions",
    "lampwork/events": "one module for each document that AWS sends",
    "lampwork/front/http": "one module for each kind of gateway, and what they share",
    "lampwork/runtime": "the pool, and what it shares with the processes of functions",
    "lampwork/stack": "one module for each question that is asked of a stack",
    "lampwork/template": "one module for each thing that a template describes",
    "shared": "one module for each thing that every room may know",
    "shared/engine": "one module for each step of a task's life",
    "shared/generators": "one module for each service that paints, and what those have in common",
    "shared/generators/painter": "one module for each thing that is painted",
    "shared/models": "one module for each table",
    "shared/process": "one module for each thing that every process has",
    "shared/repositories": "one module for each table or sweep",
    "shared/schemas": "one module for each resource of the API",
    "shared/security": "one module for each kind of credential",
    "shared/services": "one module for each thing that people can do",
    "shared/stream": "one module for each part of a stream's life",
    "shared/web": "one module for each thing that HTTP functions share",
}


@cache
def modules(package: str) -> dict[str, Path]:
    """The files of a package by their dotted names."""
    folder = PACKAGES[package]
    root = folder.parents[package.count(".")]
    names = {file: file.relative_to(root).with_suffix("") for file in folder.rglob("*.py")}
    return {
        ".".join(name.parts).removesuffix(".__init__"): file
        for file, name in names.items()
        if file.stat().st_size
    }


def imported(package: str, file: Path) -> Iterator[str]:
    """The modules of its own package that a file names in any import, wherever it stands."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for each in names:
                    whole = f"{module}.{each.name}"
                    yield whole if whole in modules(package) else module
            case ast.Import(names=names):
                yield from (each.name for each in names)


def room(package: str, module: str) -> str:
    return module.removeprefix(f"{package}.").split(".")[0]


def floor(package: str, module: str) -> int:
    return next(n for n, rooms in enumerate(FLOORS[package]) if room(package, module) in rooms)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_has_its_floor(package: str):
    present = {room(package, module) for module in modules(package)}

    assert present == set().union(*FLOORS[package])


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_a_room_of_its_own_floor_or_above(package: str):
    forbidden = {
        f"{module} imports {other}"
        for module, file in modules(package).items()
        for other in imported(package, file)
        if other.startswith(f"{package}.")
        and room(package, other) != room(package, module)
        and floor(package, other) >= floor(package, module)
    }

    assert sorted(forbidden) == []


@pytest.mark.parametrize("package", ["lampwork", "shared"])
def test_no_folder_holds_too_many_modules(package: str):
    root = PACKAGES[package].parent
    held = Counter(file.parent.relative_to(root).as_posix() for file in modules(package).values())

    large = {folder for folder, number in held.items() if number > MOST_MODULES}
    assert large == {folder for folder in LARGE if folder.split("/")[0] == package}


def test_only_the_registry_of_generators_knows_the_painter():
    """The painter is a package of its own; other code gets a generator from the registry."""
    painter = "shared.generators.painter"
    files = [file for part in ("shared", "functions") for file in (ROOT / part).rglob("*.py")]

    importers = {
        file.relative_to(ROOT).as_posix()
        for file in files
        if painter in file.read_text() and ROOT / painter.replace(".", "/") not in file.parents
    }
    assert importers == {"shared/generators/registry.py"}


def test_the_painter_knows_only_the_generator_port_of_the_application():
    inside = "shared.generators.painter"
    known = {
        other
        for module, file in modules("shared").items()
        if module.startswith(inside)
        for other in imported("shared", file)
        if other.startswith("shared.") and not other.startswith(inside)
    }

    assert known == {"shared.generators.port"}

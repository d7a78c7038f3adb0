"""The maps in the docs: which folders there are, and what each may import, as test_floors.py and
the code have it. And every file, module and heading that a page names exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.unit.test_floors import FLOORS, PACKAGES

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAPS = {"shared": ROOT / "docs/architecture.md", "lampwork": ROOT / "docs/emulator.md"}
PYTHON = ("functions", "shared", "migrations", "local", "tests", "bench")
CODE = {**{name: ROOT / name for name in PYTHON}, "lampwork": ROOT / "local/lampwork"}


def page(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rows(path: Path, columns: int) -> Iterator[list[str]]:
    """The cells of each line of the page's tables that have so many columns."""
    for line in path.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == columns:
            yield cells


# --- The map of each package ----------------------------------------------------------------------


def below(floor: int) -> str:
    return {1: "none", 2: "floor 1"}.get(floor, f"floors 1 to {floor - 1}")


def as_named(package: str, room: str) -> str:
    return f"`{room}/`" if (PACKAGES[package] / room).is_dir() else f"`{room}.py`"


def wanted_rows(package: str) -> dict[str, tuple[str, str]]:
    """The floor of each room, and the floors it may import, by the name of the room."""
    return {
        as_named(package, room): (str(floor), below(floor))
        for floor, rooms in enumerate(FLOORS[package], 1)
        for room in sorted(rooms)
    }


def shown_rows(package: str) -> dict[str, tuple[str, str]]:
    lines = [cells for cells in rows(MAPS[package], 4) if cells[0].isdecimal()]
    return {room: (floor, imports) for floor, room, _, imports in lines}


@pytest.mark.parametrize("package", MAPS)
def test_the_map_of_a_package_lists_every_room_on_its_floor(package):
    wanted, shown = wanted_rows(package), shown_rows(package)

    write = [
        f"| {floor} | {room} | … | {imports} |"
        for room, (floor, imports) in wanted.items()
        if shown.get(room) != (floor, imports)
    ]
    strike_out = sorted(shown.keys() - wanted.keys())
    assert not write, f"{page(MAPS[package])}: write\n" + "\n".join(write)
    assert not strike_out, f"{page(MAPS[package])}: strike out {strike_out}, which are on no floor"
    assert [int(floor) for floor, _ in shown.values()] == sorted(
        int(floor) for floor, _ in shown.values()
    ), f"{page(MAPS[package])}: order the map from floor 1 up"


# --- The map of the repository --------------------------------------------------------------------


def repository_map() -> dict[str, set[str]]:
    """Which other parts each part may import, by their names as packages."""
    parts = [cells for cells in rows(MAPS["shared"], 3) if cells[0].endswith("/`")]
    return {Path(name.strip("`")).name: set(re.findall(r"`(\w+)`", may)) for name, _, may in parts}


def part(file: Path) -> str:
    return "lampwork" if file.is_relative_to(CODE["lampwork"]) else file.relative_to(ROOT).parts[0]


def packages_imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0]
            case ast.Import(names=names):
                yield from (each.name.split(".")[0] for each in names)


def test_the_map_of_the_repository_has_every_part():
    assert repository_map().keys() == CODE.keys(), "docs/architecture.md: one line for each part"


@pytest.mark.parametrize("name", CODE)
def test_no_part_imports_another_that_the_map_does_not_allow(name):
    allowed = repository_map()[name] | {name}

    forbidden = {
        f"{file.relative_to(ROOT)} imports {other}"
        for file in CODE[name].rglob("*.py")
        if part(file) == name and "projects" not in file.parts
        for other in packages_imported(file)
        if other in CODE and other not in allowed
    }

    assert sorted(forbidden) == [], "docs/architecture.md allows none of this"


def test_no_function_imports_another():
    forbidden = {
        str(file.relative_to(ROOT))
        for file in CODE["functions"].rglob("*.py")
        if "functions" in packages_imported(file)
    }

    assert forbidden == set()


# --- "Where things are" of the README -------------------------------------------------------------


def readme_tree() -> dict[str, set[str]]:
    """The folders of the README's tree, each with those it lists on the indented lines below."""
    _, _, rest = (ROOT / "README.md").read_text().partition("## Where things are\n\n```\n")
    tree: dict[str, set[str]] = {}
    for line in rest.partition("```")[0].splitlines():
        if line.startswith(" "):
            tree[list(tree)[-1]] |= set(re.findall(r"([\w/]+)/(?= |$)", line))
        else:
            tree[line.split()[0]] = set()
    return tree


def folders(folder: Path) -> set[str]:
    return {file.parent.name for file in folder.glob("*/__init__.py")}


def test_the_readme_lists_what_is_on_disk():
    tree = readme_tree()

    assert [name for name in tree if not (ROOT / name).exists()] == []
    assert {f"{name}/" for name in PYTHON} <= tree.keys()
    for name in ("functions/", "shared/", "local/lampwork/"):
        on_disk = folders(ROOT / name)
        holds = f"{name} holds {sorted(on_disk)}"
        assert tree[name] == on_disk, f'README.md, "Where things are": {holds}'


# --- Names in the docs ----------------------------------------------------------------------------


# What docs/developing.md has its reader write.
WRITTEN_BY_READERS = {
    *("functions/tasks/favourite.py", "tests/integration/test_tasks_favourite.py"),
    *("shared/generators/grey.py", "shared.generators.grey"),
}


def named_paths(text: str) -> set[str]:
    tops = "|".join((*PYTHON, "docs", "requirements", r"\.ci"))
    return set(re.findall(rf"(?<![\w/.:-])((?:{tops})/[\w./-]*\w/?)", text))


def named_modules(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w/.@-])((?:functions|shared|local|bench|tests)(?:\.\w+)+)", text))


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_path_and_module_that_a_page_names_exists(path):
    text = path.read_text()
    # A link is relative to its page; the next test follows it.
    plain = re.sub(r"\]\([^)]*\)", "]", text)

    gone = [name for name in named_paths(plain) if not (ROOT / name).exists()]
    gone += [name for name in named_modules(plain) if not is_module(name)]

    written = WRITTEN_BY_READERS if path.name == "developing.md" else set()
    assert sorted(set(gone) - written) == []


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_make_command_that_a_page_names_exists(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(), re.MULTILINE))

    assert named <= targets


def anchors(path: Path) -> set[str]:
    """The headings of a page as GitHub makes addresses of them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_link_within_the_docs_leads_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", path.read_text()):
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path

        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target

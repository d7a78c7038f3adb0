"""Writes the names that spelling is checked against: `python -m local.property_names [--check]`.

They come from the CloudFormation and SAM schemas inside cfn-lint, which are AWS's own.
https://github.com/aws-cloudformation/cfn-lint (MIT-0)
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from lampwork.template.source import spelling
from lampwork.template.source.properties import TypeCoverage, coverage

TARGET = Path(spelling.__file__).with_name(spelling.NAMES_FILE)
RUNTIMES = Path(spelling.__file__).with_name(spelling.RUNTIMES_FILE)
PAGE = Path(__file__).parents[1] / "docs" / "emulator" / "properties.md"
# The bundled schemas: cfn-lint itself would prefer newer ones that it has downloaded.
SCHEMAS = resources.files("cfnlint") / "data" / "schemas"
EVERYWHERE = ("Description", "Tags")
INTRODUCTION = """\
Every property of the resource types that Lampwork runs, from AWS's own schemas: it is read, or it
has no effect at home, or `lampwork routes` and `--strict` name it where a template sets it. Other
types are named as a whole, except those that nobody misses at home, such as roles and alarms.
`Description` and `Tags` have no effect anywhere.
`local/lampwork/template/source/properties.toml` holds the lists; `make property-names` writes this
page."""
# SAM's translator checks the properties of its types itself, and a custom resource takes any.
WITHOUT_NAMES = ("AWS::Serverless::", "AWS::CloudFormation::CustomResource")


def build() -> str:
    """One line for each type: its name, and the names of its properties that a template may set."""
    return "".join(f"{line}\n" for line in (*_header(), *_lines()))


def build_runtimes() -> str:
    """One line for each runtime, also those that new functions may no longer have."""
    file = _schema_files()["AWS::Lambda::Function"]
    names = _read(SCHEMAS / "resources" / f"{file}.json")["properties"]["Runtime"]["enum"]
    return "".join(f"{line}\n" for line in (*_header(), *sorted(names)))


def build_page() -> str:
    """The page that shows what becomes of each property."""
    return "".join(f"{line}\n" for line in _page())


def _page() -> Iterator[str]:
    yield "# Properties of resources"
    yield ""
    yield INTRODUCTION
    for type, lists in coverage().items():
        yield from ("", f"## {type}", "")
        yield from _of_type(lists)


def _of_type(lists: TypeCoverage) -> Iterator[str]:
    done = sorted(lists.read | lists.becomes)
    if done:
        yield f"Read: {', '.join(f'`{name}`' for name in done)}."
    rows = [f"| `{name}` | **named** | {reason} |" for name, reason in lists.named.items()]
    rows += [
        f"| `{name}` | no effect | {reason} |"
        for name, reason in lists.without_effect.items()
        if name not in EVERYWHERE
    ]
    if rows:
        yield from ("", "| property | | |", "|---|---|---|", *rows)


def _header() -> Iterator[str]:
    version = metadata.version("cfn-lint")
    date = _read(SCHEMAS / "version.json")["schema_date"]
    yield f"# Made by `make property-names` from cfn-lint {version} and its schemas of {date[:10]}."


def _lines() -> Iterator[str]:
    for type, file in sorted(_schema_files().items()):
        yield " ".join((type, *_properties(type, file)))


def _schema_files() -> dict[str, str]:
    """The types of all regions, and those of SAM, with the file of each."""
    return {
        type: file
        for types in (SCHEMAS / "providers").iterdir()
        if types.name.endswith(".json")
        for type, file in _read(types).items()
    }


def _properties(type: str, file: str) -> list[str]:
    if type.startswith(WITHOUT_NAMES):
        return []
    schema = _read(SCHEMAS / "resources" / f"{file}.json")
    read_only = {pointer.removeprefix("/properties/") for pointer in _read_only(schema)}
    return sorted(schema["properties"].keys() - read_only)


def _read_only(schema: dict[str, Any]) -> list[str]:
    pointers: list[str] = schema.get("readOnlyProperties", [])
    return pointers


def _read(file: Traversable) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="only say whether it is up to date")
    made = {TARGET: build(), RUNTIMES: build_runtimes(), PAGE: build_page()}
    if arguments.parse_args().check:
        old = [file for file, text in made.items() if not file.exists() or file.read_text() != text]
        return _outdated(old) if old else 0
    for file, text in made.items():
        file.write_text(text)
    return 0


def _outdated(files: Sequence[Path]) -> int:
    names = ", ".join(file.name for file in files)
    sys.stderr.write(f"Out of date: {names}. Run `make property-names`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

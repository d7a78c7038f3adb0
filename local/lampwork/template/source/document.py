from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from lampwork.errors import TemplateError
from lampwork.template.source.includes import Includes
from lampwork.template.source.syntax import construct, error_at, line_of, parse, read_content

SAM: Final = "AWS::Serverless-2016-10-31"
LOOP: Final = "Fn::ForEach::"
MAPPINGS: Final = ("Parameters", "Mappings", "Conditions", "Globals", "Resources")
# The sections that CloudFormation knows, and SAM's Globals.
SECTIONS: Final = (
    *("AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings"),
    *("Metadata", "Outputs", "Parameters", "Resources", "Rules", "Transform"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A template as it is written, its short tags (!Ref) in the long form ({"Ref": …}).

    `lines` are those of resources, `property_lines` those of their properties. `files` are read
    beside the template itself. `warnings` are about what AWS takes all the same.
    """

    path: Path
    content: dict[str, Any]
    lines: Mapping[str, int]
    property_lines: Mapping[tuple[str, str], int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        return self.content["Resources"]  # type: ignore[no-any-return]

    @property
    def is_sam(self) -> bool:
        """Whether SAM transforms it."""
        return self.has_transform(SAM)

    def has_transform(self, name: str) -> bool:
        names = self.content.get("Transform", [])
        return name in (names if isinstance(names, list) else [names])

    def source(self, logical_id: str) -> str:
        """The resource from which SAM made another one, whose name begins with its own."""
        names = [name for name in self.lines if logical_id.startswith(name)]
        return max(names, key=len, default="")

    def line(self, logical_id: str, property: str = "") -> int:
        """The line of a resource, of its property or of what SAM made it from; 0 where it is not
        known."""
        source = self.source(logical_id)
        return self.property_lines.get((source, property), self.lines.get(source, 0))

    def metadata(self, logical_id: str) -> Mapping[str, Any]:
        """As written in the source, since SAM drops the metadata of what it transforms."""
        metadata = self.resources.get(self.source(logical_id), {}).get("Metadata")
        return metadata if isinstance(metadata, Mapping) else {}

    def error(self, logical_id: str, problem: str, property: str = "") -> TemplateError:
        return error_at(self.path, self.line(logical_id, property), problem)


def read_document(path: Path) -> Document:
    """Read a template in YAML or JSON.

    Raises:
        TemplateError: there is no such file, or it is not a template; says in which line.
    """
    warnings: list[str] = []
    node = parse(path, warnings.append)
    _check_section_names(path, node)
    includes = Includes(path.parent, partial(read_content, warn=warnings.append))
    content = includes.expand(construct(path, node))
    lines, property_lines = _resource_lines(node), _property_lines(node)
    document = Document(path, content, lines, property_lines, includes.files, warnings)
    _check_sections(document)
    check_resources(document)
    return document


def _resource_lines(document: yaml.Node) -> dict[str, int]:
    return {key.value: line_of(key) for key, _ in _entries(document, "Resources")}


def _property_lines(document: yaml.Node) -> dict[tuple[str, str], int]:
    return {
        (resource.value, key.value): line_of(key)
        for resource, content in _entries(document, "Resources")
        for key, _ in _entries(content, "Properties")
    }


def _entries(node: yaml.Node, name: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """The keys and values of a mapping inside a mapping."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == name and isinstance(value, yaml.MappingNode):
            return value.value  # type: ignore[no-any-return]
    return []


def _check_section_names(path: Path, node: yaml.Node) -> None:
    """Refuse a misspelt section, which would otherwise be ignored."""
    for key, _ in node.value:
        name = str(key.value)
        if name not in SECTIONS and (meant := get_close_matches(name, SECTIONS, 1)):
            problem = f"a template has no section {name!r}; {meant[0]} may be meant."
            raise error_at(path, line_of(key), problem)


def _check_sections(document: Document) -> None:
    for name in MAPPINGS:
        section = document.content.get(name)
        if section is None:
            document.content[name] = {}
        elif not isinstance(section, dict):
            raise error_at(document.path, 0, f"the section `{name}` must be a mapping.")
    for section in ("Globals", "Parameters"):
        for name, properties in document.content[section].items():
            if not isinstance(properties, dict):
                raise error_at(document.path, 0, f"`{section}: {name}` must be a mapping.")
    if not document.resources:
        raise error_at(document.path, 1, "the template has no section `Resources`; add one.")


def check_resources(document: Document) -> None:
    """
    Raises:
        TemplateError: one is not a resource; says in which line. Loops are checked later.
    """
    for logical_id, resource in document.resources.items():
        if logical_id.startswith(LOOP):
            continue
        if logical_id.startswith("Fn::"):
            raise document.error(
                logical_id, f"Lampwork does not expand {logical_id}; write the resources out."
            )
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise document.error(
                logical_id, f"{logical_id} needs a `Type`, such as AWS::Serverless::Function."
            )
        if not isinstance(resource.get("Properties", {}), dict):
            raise document.error(
                logical_id, f"the `Properties` of {logical_id} must be a mapping; check its indent."
            )

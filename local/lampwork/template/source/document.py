from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import yaml

from lampwork.errors import TemplateError
from lampwork.template.source.includes import Includes

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
FUNCTIONS: Final = frozenset(
    {
        *("And", "Base64", "Cidr", "Equals", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue"),
        *("Join", "Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
    }
)
WITHOUT_PREFIX: Final = frozenset({"Ref", "Condition"})
SAM: Final = "AWS::Serverless-2016-10-31"
LOOP: Final = "Fn::ForEach::"
MAPPINGS: Final = ("Parameters", "Mappings", "Conditions", "Globals", "Resources")
# Those of CloudFormation, and SAM's Globals.
SECTIONS: Final = (
    *("AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings"),
    *("Metadata", "Outputs", "Parameters", "Resources", "Rules", "Transform"),
)
# A date and a lone "=" are plain text in a template.
TEXT: Final = "tag:yaml.org,2002:str"
NO_NAMES: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "null")
)
TEXT_TAGS: Final = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})


@dataclass(frozen=True, slots=True)
class Document:
    """A template as it is written, its short tags (!Ref) in the long form ({"Ref": …}).

    `lines` are those of resources, `property_lines` those of their properties. `files` are read
    beside the template itself.
    """

    path: Path
    content: dict[str, Any]
    lines: Mapping[str, int]
    property_lines: Mapping[tuple[str, str], int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        return self.content["Resources"]  # type: ignore[no-any-return]

    @property
    def is_sam(self) -> bool:
        """Whether SAM is to transform it."""
        return self.has_transform(SAM)

    def has_transform(self, name: str) -> bool:
        names = self.content.get("Transform", [])
        return name in (names if isinstance(names, list) else [names])

    def source(self, logical_id: str) -> str:
        """The resource that one of SAM's making was made from, whose name begins its own."""
        names = [name for name in self.lines if logical_id.startswith(name)]
        return max(names, key=len, default="")

    def line(self, logical_id: str, property: str = "") -> int:
        """Where a resource or its property stands, or what it was made from; 0 where that cannot be
        told."""
        source = self.source(logical_id)
        return self.property_lines.get((source, property), self.lines.get(source, 0))

    def metadata(self, logical_id: str) -> Mapping[str, Any]:
        """The metadata of a resource as written: SAM drops those of what it transforms."""
        metadata = self.resources.get(self.source(logical_id), {}).get("Metadata")
        return metadata if isinstance(metadata, Mapping) else {}

    def error(self, logical_id: str, problem: str, property: str = "") -> TemplateError:
        return _error(self.path, self.line(logical_id, property), problem)


def read_document(path: Path) -> Document:
    """Read a template in YAML or JSON.

    Raises:
        TemplateError: there is no such file, or it is not a template; says in which line.
    """
    node = _parse(path)
    _check_section_names(path, node)
    includes = Includes(path.parent, read_content)
    content = includes.expand(_construct(path, node))
    lines, property_lines = _resource_lines(node), _property_lines(node)
    document = Document(path, content, lines, property_lines, includes.files)
    _check_sections(document)
    check_resources(document)
    return document


def read_content(path: Path) -> dict[str, Any]:
    """Read a file that a template names, such as an OpenAPI definition.

    Raises:
        TemplateError: there is no such file, or it is not a YAML or JSON mapping.
    """
    if not path.is_file():
        raise TemplateError(f"There is no file {path}, which the template names.")
    return _construct(path, _parse(path))


class _Loader(SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A name is text, also one that YAML takes for a truth value or a number (`Off`, `200`)."""
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag in NO_NAMES:
                key.tag = TEXT
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in TEXT_TAGS]
    for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
}


def _construct_function(loader: Any, name: str, node: yaml.Node) -> dict[str, Any]:
    if name in WITHOUT_PREFIX:
        return {name: _argument(loader, node)}
    if name not in FUNCTIONS:
        raise yaml.MarkedYAMLError(
            problem=f"unknown tag !{name}; the functions of CloudFormation are"
            f" {', '.join(sorted(FUNCTIONS | WITHOUT_PREFIX))}",
            problem_mark=node.start_mark,
        )
    argument = _argument(loader, node)
    if name == "GetAtt" and isinstance(argument, str):
        argument = argument.split(".", 1)
    return {f"Fn::{name}": argument}


_Loader.add_multi_constructor("!", _construct_function)


def _argument(loader: Any, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _parse(path: Path) -> yaml.Node:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TemplateError(f"There is no template {path}. Name yours with --template.") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path} is not text in UTF-8: {error}.") from error
    if path.suffix == ".json":
        text = text.expandtabs()  # JSON may be indented by tabs, YAML may not
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from error
    except yaml.YAMLError as error:
        raise TemplateError(f"{path} is not valid YAML: {error}.") from error
    if not isinstance(node, yaml.MappingNode):
        raise _error(path, 1, "a template is a mapping with a section `Resources`.")
    for key, first in _duplicates(node, set()):
        raise _error(
            path,
            key.start_mark.line + 1,
            f"the key {key.value!r} stands in line {first.start_mark.line + 1} already;"
            " rename or remove one of the two.",
        )
    return node


def _construct(path: Path, node: yaml.Node) -> dict[str, Any]:
    loader = _Loader("")
    try:
        return loader.construct_document(node)  # type: ignore[no-any-return]
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from error
    finally:
        loader.dispose()


def _duplicates(node: yaml.Node, seen: set[int]) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Each key that its mapping holds twice, with the first of the two."""
    if id(node) in seen:  # an alias leads here again
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _duplicates(item, seen)
    if isinstance(node, yaml.MappingNode):
        keys: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key is not keys.setdefault(key.value, key):
                yield key, keys[key.value]
            yield from _duplicates(value, seen)


def _resource_lines(document: yaml.Node) -> dict[str, int]:
    return {key.value: _line(key) for key, _ in _entries(document, "Resources")}


def _property_lines(document: yaml.Node) -> dict[tuple[str, str], int]:
    return {
        (resource.value, key.value): _line(key)
        for resource, content in _entries(document, "Resources")
        for key, _ in _entries(content, "Properties")
    }


def _entries(node: yaml.Node, name: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """The keys and values of the mapping that a mapping has under a name."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == name and isinstance(value, yaml.MappingNode):
            return value.value  # type: ignore[no-any-return]
    return []


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _check_section_names(path: Path, node: yaml.Node) -> None:
    """A misspelt section would be passed over, with all that depends on it."""
    for key, _ in node.value:
        name = str(key.value)
        if name not in SECTIONS and (meant := get_close_matches(name, SECTIONS, 1)):
            problem = f"no section of a template is named {name!r}; {meant[0]} may be meant."
            raise _error(path, _line(key), problem)


def _check_sections(document: Document) -> None:
    for name in MAPPINGS:
        section = document.content.get(name)
        if section is None:
            document.content[name] = {}
        elif not isinstance(section, dict):
            raise _error(document.path, 0, f"the section `{name}` must be a mapping.")
    for section in ("Globals", "Parameters"):
        for name, properties in document.content[section].items():
            if not isinstance(properties, dict):
                raise _error(document.path, 0, f"`{section}: {name}` must be a mapping.")
    if not document.resources:
        raise _error(document.path, 1, "the template has no section `Resources`; add one.")


def check_resources(document: Document) -> None:
    """
    Raises:
        TemplateError: one is no resource; says in which line. Loops are still to be written out.
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


def _syntax_error(path: Path, error: yaml.MarkedYAMLError) -> TemplateError:
    mark = error.problem_mark or error.context_mark
    problem = " ".join(filter(None, (error.context, error.problem)))
    return _error(path, mark.line + 1 if mark else 1, f"this is not valid here: {problem}.")


def _error(path: Path, line: int, problem: str) -> TemplateError:
    return TemplateError(f"{path}:{line}: {problem}" if line else f"{path}: {problem}")

"""YAML and JSON as CloudFormation reads them, with short tags (!Ref) and with lines."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from lampwork.config.encodings import decoded
from lampwork.errors import TemplateError

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
# A date and a lone "=" are plain text in a template.
TEXT: Final = "tag:yaml.org,2002:str"
NO_NAMES: Final = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("bool", "float", "int", "null")
)
TEXT_TAGS: Final = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
REFUSED_TAGS: Final = ("binary", "omap", "pairs", "set", "timestamp")


Warn = Callable[[str], None]


def read_content(path: Path, warn: Warn) -> dict[str, Any]:
    """Read a file that a template names, such as an OpenAPI definition.

    Raises:
        TemplateError: there is no such file, or it is not a YAML or JSON mapping.
    """
    if not path.is_file():
        raise TemplateError(f"There is no file {path}, which the template names.")
    return construct(path, parse(path, warn))


class _Loader(SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Read every name as text, even `Off` and `200`."""
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


def _refuse(loader: Any, node: yaml.Node) -> None:
    tag = node.tag.rpartition(":")[2]
    raise yaml.MarkedYAMLError(
        problem=f"CloudFormation takes no !!{tag}", problem_mark=node.start_mark
    )


_Loader.add_multi_constructor("!", _construct_function)
for _tag in REFUSED_TAGS:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refuse)


def _argument(loader: Any, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def parse(path: Path, warn: Warn) -> yaml.Node:
    """The nodes of a file in YAML or JSON, whose outermost is a mapping.

    Of a key that occurs twice the last one counts, as for CloudFormation; `warn` is told so.

    Raises:
        TemplateError: it cannot be read, or is no mapping.
    """
    text = _text(path)
    if path.suffix == ".json":
        text = text.expandtabs()  # JSON may be indented by tabs, YAML may not
    return parse_text(path, text, warn)


def parse_text(path: Path, text: str, warn: Warn) -> yaml.Node:
    """The nodes of a text in YAML, which comes from the file `path`; else as `parse`."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from error
    except yaml.YAMLError as error:
        raise TemplateError(f"{path} is not valid YAML: {error}.") from error
    if not isinstance(node, yaml.MappingNode):
        raise error_at(path, 1, "a template is a mapping with a section `Resources`.")
    for key, first in _duplicates(node, set()):
        warn(
            f"{path.name}, line {line_of(key)}: line {line_of(first)} already has the key"
            f" {key.value!r}; this one counts, as for CloudFormation. Remove one of the two."
        )
    _check_circles(path, node, set(), set())
    return node


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise TemplateError(f"There is no template {path}. Name yours with --template.") from error
    except OSError as error:
        raise TemplateError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return decoded(content)
    except ValueError as error:
        raise TemplateError(f"{path} cannot be read: {error}.") from error


def _check_circles(path: Path, node: yaml.Node, around: set[int], checked: set[int]) -> None:
    """Refuse an alias inside the mapping or the list that it stands for."""
    if id(node) in around:
        raise error_at(path, line_of(node), "an alias here leads back to itself.")
    if id(node) in checked:
        return
    checked.add(id(node))
    for part in _parts(node):
        _check_circles(path, part, around | {id(node)}, checked)


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        yield from (value for _, value in node.value)


def construct(path: Path, node: yaml.Node) -> dict[str, Any]:
    loader = _Loader("")
    try:
        return loader.construct_document(node)  # type: ignore[no-any-return]
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(path, error) from error
    finally:
        loader.dispose()


def _duplicates(node: yaml.Node, seen: set[int]) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Each key that occurs twice in a mapping, with its first occurrence."""
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


def line_of(node: yaml.Node) -> int:
    return node.start_mark.line + 1


def _syntax_error(path: Path, error: yaml.MarkedYAMLError) -> TemplateError:
    mark = error.problem_mark or error.context_mark
    problem = " ".join(filter(None, (error.context, error.problem)))
    return error_at(path, mark.line + 1 if mark else 1, f"this is not valid here: {problem}.")


def error_at(path: Path, line: int, problem: str) -> TemplateError:
    return TemplateError(f"{path}:{line}: {problem}" if line else f"{path}: {problem}")

"""Finds resources that depend on each other in a circle, which CloudFormation refuses.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from lampwork.errors import TemplateError
from lampwork.template.language.intrinsics import PLACEHOLDER, Resolver


def check_circles(resolver: Resolver) -> None:
    """
    Raises:
        TemplateError: resources need each other, so that none can be made first; names them.
    """
    needs = {
        logical_id: sorted(set(_needs(resolver, logical_id)))
        for logical_id in resolver.resources
        if resolver.active(logical_id)
    }
    checked: set[str] = set()
    for logical_id in needs:
        if circle := _circle(needs, logical_id, [], checked):
            raise resolver.document.error(
                circle[0],
                f"circular dependency between the resources {', '.join(circle)}: each needs the"
                " next, so that CloudFormation can make none first.",
            )


def _circle(
    needs: Mapping[str, Sequence[str]], logical_id: str, way: list[str], checked: set[str]
) -> list[str]:
    if logical_id in way:
        return way[way.index(logical_id) :]
    if logical_id in checked:
        return []
    checked.add(logical_id)
    for other in needs.get(logical_id, ()):
        if circle := _circle(needs, other, [*way, logical_id], checked):
            return circle
    return []


def _needs(resolver: Resolver, logical_id: str) -> Iterator[str]:
    resource = resolver.resources[logical_id]
    explicit = resource.get("DependsOn", [])
    names = (
        *(explicit if isinstance(explicit, list) else [explicit]),
        *_named(resolver, logical_id, resource.get("Properties")),
    )
    return (name for name in names if isinstance(name, str) and name in resolver.resources)


def _named(resolver: Resolver, of: str, value: object) -> Iterator[object]:
    """What is named by Ref, Fn::GetAtt and Fn::Sub, in those branches that conditions choose."""
    match value:
        case [*items]:
            for each in items:
                yield from _named(resolver, of, each)
        case {"Ref": name, **rest} if not rest:
            yield name
        case {"Fn::GetAtt": [name, *_], **rest} if not rest:
            yield name
        case {"Fn::GetAtt": str(path), **rest} if not rest:
            yield path.partition(".")[0]
        case {"Fn::If": [condition, then, otherwise], **rest} if not rest:
            # Whoever reads the property says what is wrong with its condition.
            with suppress(TemplateError):
                chosen = then if resolver.resolve({"Condition": condition}, of=of) else otherwise
                yield from _named(resolver, of, chosen)
        case {"Fn::Sub": str(text), **rest} if not rest:
            yield from _in_text(text)
        case {"Fn::Sub": [str(text), {**local}], **rest} if not rest:
            yield from (name for name in _in_text(text) if name not in local)
            yield from _named(resolver, of, list(local.values()))
        case {**members}:
            for each in members.values():
                yield from _named(resolver, of, each)


def _in_text(text: str) -> Iterator[str]:
    for literal, name in PLACEHOLDER.findall(text):
        if not literal:
            yield name.strip().partition(".")[0]

"""What a function has asked for beside what its policies let it do."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lampwork.permissions.guard import Managed, is_allowed
from lampwork.permissions.requests.need import Need
from lampwork.stack.model import ACCOUNT_ID
from lampwork.stack.policies import ALLOW, Permissions, Statement, matches, matches_arn

EVERYTHING: Final = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:\*")
S3: Final = "arn:aws:s3:::"
CONNECTION: Final = re.compile(r"(.*/@connections/).*")
# What {"Ref": …} gives as an ARN, for which there is no attribute Arn.
BY_REFERENCE: Final = ("sns", "secretsmanager", "states")


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is missing, unused or too wide; `action` and `resources` are the policy's words, or
    those of what was asked for."""

    function: str
    kind: str
    action: str
    resources: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.function}  {self.kind}  {self.action} on {', '.join(self.resources) or '*'}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of one function: what it asked for, what is wrong, and what a policy of its own would be that
    allows just that. `permissions` is None where its role is not in the template."""

    function: str
    asked: frozenset[Need]
    permissions: Permissions | None
    findings: Sequence[Finding] = ()
    accepted: Sequence[Finding] = field(default=())


def compare(
    function: str,
    asked: Collection[Need],
    permissions: Permissions | None,
    managed: Managed,
    accepted: Collection[str] = (),
) -> Comparison:
    """`accepted` are findings that are right as they are, as "Function action" with `*` and `?`;
    what is missing is never among them."""
    if permissions is None:
        return Comparison(function, frozenset(asked), None)
    found = [*_missing(function, asked, permissions, managed)]
    surplus = [*_unused(function, asked, permissions), *_too_wide(function, asked, permissions)]
    excused = [
        each
        for each in surplus
        if any(matches(pattern, f"{function} {each.action}") for pattern in accepted)
    ]
    found += [each for each in surplus if each not in excused]
    return Comparison(function, frozenset(asked), permissions, found, excused)


def _missing(
    function: str, asked: Collection[Need], permissions: Permissions, managed: Managed
) -> Iterator[Finding]:
    for need in sorted(asked):
        if not is_allowed(permissions, need, managed):
            yield Finding(function, "missing", need.action, tuple(filter(None, [need.resource])))


def _unused(function: str, asked: Collection[Need], permissions: Permissions) -> Iterator[Finding]:
    for statement in _allowing(permissions):
        for action in statement.actions:
            used = [each for each in asked if _is_by(statement, action, each)]
            if not used:
                yield Finding(function, "unused", action, statement.resources)
                continue
            unused = [each for each in statement.resources if not _is_used(each, used, statement)]
            if unused:
                yield Finding(function, "unused", action, tuple(unused))


def _is_by(statement: Statement, action: str, need: Need) -> bool:
    of_resource = not need.resource or statement.covers(need.resource)
    return matches(action, need.action) and of_resource


def _is_used(pattern: str, used: Iterable[Need], statement: Statement) -> bool:
    """What lies in another resource of the statement, such as the indexes of a table or the objects
    of a bucket, goes with it."""
    around = [each for each in statement.resources if pattern.startswith(f"{each}/")]
    inside = [each for each in statement.resources if each.startswith(f"{pattern}/")]
    patterns = [pattern, *around, *inside]
    return any(
        not each.resource or any(matches_arn(one, each.resource) for one in patterns)
        for each in used
    )


def _too_wide(
    function: str, asked: Collection[Need], permissions: Permissions
) -> Iterator[Finding]:
    for statement in _allowing(permissions):
        for action in statement.actions:
            used = [each for each in asked if _is_by(statement, action, each)]
            wide = tuple(each for each in statement.resources if EVERYTHING.fullmatch(each))
            named = any(each.resource not in ("", "*") for each in used)
            if used and (_is_open(action, used) or (wide and named)):
                yield Finding(function, "too wide", action, wide or statement.resources)


def _is_open(action: str, used: Iterable[Need]) -> bool:
    """Whether a pattern may stand for actions of other kinds than those used. sqs:SendMessage* is
    no more than sqs:SendMessage: it is how SAM writes that."""
    exact = action.removesuffix("*")
    if "*" in exact or "?" in exact:
        return True
    return exact != action and not any(matches(exact, each.action) for each in used)


def _allowing(permissions: Permissions) -> Iterator[Statement]:
    for statement in permissions.statements:
        if statement.effect == ALLOW and not statement.not_actions:
            yield statement


# --- A policy to paste ----------------------------------------------------------------------------


def least_privilege(asked: Collection[Need], own: Mapping[str, str]) -> Iterator[str]:
    """The lines of a `Policies` that allow what was asked for, for a function of SAM.

    `own` are the logical ids of the template's resources by their ARNs.
    """
    actions: dict[tuple[str, ...], list[str]] = {}
    for action in sorted({each.action for each in asked}):
        named = {_reference(each.resource, own) for each in asked if each.action == action}
        actions.setdefault(tuple(sorted(named)), []).append(action)
    if not actions:
        return
    yield "Policies:"
    yield "  - Statement:"
    for resources, together in actions.items():
        yield "      - Effect: Allow"
        yield from _entry("Action", together)
        yield from _entry("Resource", resources)


def _entry(name: str, values: Sequence[str]) -> Iterator[str]:
    if len(values) == 1:
        yield f"        {name}: {values[0]}"
        return
    yield f"        {name}:"
    for each in values:
        yield f"          - {each}"


def _reference(arn: str, own: Mapping[str, str]) -> str:
    """The ARN as a template writes it; single objects and connections become all of their kind."""
    if arn in ("", "*"):
        return '"*"'
    for known, logical_id in own.items():
        name = logical_id.rpartition("/")[2]
        service = known.split(":")[2]
        if arn == known or (service == "secretsmanager" and matches_arn(known, arn)):
            return f"!Ref {name}" if service in BY_REFERENCE else f"!GetAtt {name}.Arn"
        if arn.startswith(f"{known}/"):
            rest = _generalized(arn, arn.removeprefix(known))
            if service == "execute-api":
                return f'!Sub "{_placed(known.rpartition(":")[0])}:${{{name}}}{rest}"'
            attribute = name if service in BY_REFERENCE else f"{name}.Arn"
            return f'!Sub "${{{attribute}}}{rest}"'
    return f'!Sub "{_placed(_generalized(arn, arn))}"'


def _generalized(arn: str, part: str) -> str:
    if found := CONNECTION.fullmatch(part):
        return f"{found[1]}*"
    if arn.startswith(S3):
        return _folder(part) if "/" in arn else part
    return part


def _folder(part: str) -> str:
    """All objects in the folder in which an object is, at the top of its bucket."""
    bucket, _, key = part.partition("/")
    folder, slash, _ = key.partition("/")
    return f"{bucket}/{folder}/*" if slash else f"{bucket}/*"


def _placed(arn: str) -> str:
    parts = arn.split(":")
    if len(parts) > 4:
        parts[1] = "${AWS::Partition}"
        parts[3] = "${AWS::Region}" if parts[3] else ""
        parts[4] = "${AWS::AccountId}" if parts[4] == ACCOUNT_ID else parts[4]
    return ":".join(parts)

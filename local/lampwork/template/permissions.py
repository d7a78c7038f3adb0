"""What the roles of functions let them do, as the template says: those that SAM makes of Policies
and policy templates, and those that it defines itself."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from lampwork.errors import TemplateError
from lampwork.stack.model import ACCOUNT_ID, Function
from lampwork.stack.policies import Permissions, Statement, statements_in
from lampwork.template.language.identity import API, PARTITION, REST_API
from lampwork.template.resource import Resource, Template

FUNCTION: Final = "AWS::Lambda::Function"
ROLE: Final = "AWS::IAM::Role"
# Resources that add a policy to the roles that they name.
POLICIES: Final = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")
MANAGED: Final = "AWS::IAM::ManagedPolicy"


def read_permissions(
    template: Template, functions: Mapping[str, Function]
) -> dict[str, Permissions]:
    """By the logical ids of functions. One whose role is not in the template, or names what is not
    known here, is left out: nobody can tell what it may do."""
    roles = dict(_with_arns(template.of_type(ROLE)))
    found = {}
    for resource in template.of_type(FUNCTION):
        with suppress(TemplateError):
            role = roles.get(str(resource.get("Role")))
            if role is not None and resource.logical_id in functions:
                found[resource.logical_id] = _permissions(role, template)
    return found


def read_arns(template: Template) -> dict[str, str]:
    """The logical ids of the template's own resources, by their ARNs."""
    own = (each for each in template if each.type.startswith("AWS::") and not each.is_made_by_sam)
    return {arn: resource.logical_id for arn, resource in _with_arns(own)}


def _with_arns(resources: Iterable[Resource]) -> Iterator[tuple[str, Resource]]:
    """Without those whose names are not known here: who needs one is told so elsewhere."""
    for resource in resources:
        with suppress(TemplateError):
            yield _arn(resource), resource


def _arn(resource: Resource) -> str:
    """An API's is the one that its routes and connections have, without what is behind it."""
    identity = resource.identity
    if resource.type in (API, REST_API):
        return f"arn:{PARTITION}:execute-api:{identity.place.region}:{ACCOUNT_ID}:{identity.id}"
    return identity.arn


def _permissions(role: Resource, template: Template) -> Permissions:
    statements = [
        statement
        for section in role.sections("Policies")
        for statement in _statements(section.get("PolicyDocument"))
    ]
    attached = role.get("ManagedPolicyArns")
    managed = [str(each) for each in attached] if isinstance(attached, list) else []
    for policy in (each for each in template if each.type in POLICIES):
        named = policy.get("Roles") or [policy.get("RoleName")]
        by_role = isinstance(named, list) and role.identity.name in named
        by_policy = policy.type == MANAGED and policy.identity.name in map(_name, managed)
        if by_role or by_policy:
            statements += _statements(policy.get("PolicyDocument"))
    return Permissions(tuple(statements), tuple(each for each in managed if ":aws:policy/" in each))


def _statements(document: Any) -> Iterator[Statement]:
    if isinstance(document, dict):
        yield from statements_in(document)


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]

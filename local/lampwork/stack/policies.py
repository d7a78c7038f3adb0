"""What policies let a function do, and whether they let it do this.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

ALLOW = "Allow"
DENY = "Deny"
# A secret's ARN ends with a hyphen and six characters that Secrets Manager chooses:
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html
OF_SECRETS = ":secret:"
CHOSEN_END = "-??????"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy; names are patterns with `*` and `?`.

    Either `actions` or `not_actions` are given, and either `resources` or `not_resources`. It is
    `conditional` if it has a Condition, which depends on what the emulator does not know: it is
    taken to hold where the statement allows something, and not to hold where it denies something.
    """

    effect: str
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditional: bool = False

    def is_about(self, action: str, resource: str) -> bool:
        """Whether it applies to an action on this ARN; "" is one that is not known, which a
        statement may allow, and only one about everything denies."""
        if self.conditional and self.effect == DENY:
            return False
        if self.not_actions:
            of_action = not any(matches(each, action) for each in self.not_actions)
        else:
            of_action = any(matches(each, action) for each in self.actions)
        if not resource:
            return of_action and (self.effect == ALLOW or "*" in self.resources)
        return of_action and self.covers(resource)

    def covers(self, resource: str) -> bool:
        if self.not_resources:
            return not any(matches_arn(each, resource) for each in self.not_resources)
        return any(matches_arn(each, resource) for each in self.resources)


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the role of a function lets it do: its statements, and the ARNs of policies that AWS
    manages."""

    statements: tuple[Statement, ...] = ()
    managed: tuple[str, ...] = ()


def allows(statements: Iterable[Statement], action: str, resource: str) -> bool:
    """Whether one of the statements allows it and none denies it.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_AccessPolicyLanguage_Interplay.html
    """
    effects = {each.effect for each in statements if each.is_about(action, resource)}
    return ALLOW in effects and DENY not in effects


def statements_in(document: Mapping[str, Any]) -> Iterable[Statement]:
    """The statements of a policy document. What is no statement is left out."""
    found = document.get("Statement", ())
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, Mapping):
            yield Statement(
                str(each.get("Effect")),
                _texts(each.get("Action")),
                _texts(each.get("Resource")),
                _texts(each.get("NotAction")),
                _texts(each.get("NotResource")),
                bool(each.get("Condition")),
            )


def matches(pattern: str, action: str) -> bool:
    """Actions have no case: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html"""
    return _compiled(pattern.lower()).fullmatch(action.lower()) is not None


def matches_arn(pattern: str, resource: str) -> bool:
    if _compiled(pattern).fullmatch(resource):
        return True
    return OF_SECRETS in pattern and _compiled(pattern + CHOSEN_END).fullmatch(resource) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (re.escape(each) for each in re.split(r"([*?])", pattern))
    text = "".join({r"\*": ".*", r"\?": "."}.get(part, part) for part in parts)
    return re.compile(text, re.DOTALL)


def _texts(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)

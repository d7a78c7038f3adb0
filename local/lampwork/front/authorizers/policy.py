"""Evaluates the IAM policy that an authorizer function returns.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

import re
from functools import lru_cache

from lampwork.front.authorizers.refusals import AuthorizerFailed

ACTIONS = ("execute-api:invoke", "execute-api:*", "*")


def allows(policy: object, arn: str) -> tuple[bool, bool]:
    """Whether the policy allows `arn`, and whether a statement denies it explicitly.

    Conditions are ignored: each statement applies as if its condition were met.

    Raises:
        AuthorizerFailed: `policy` is not a valid policy document.
    """
    allowed = denied = False
    for statement in _statements(policy):
        effect = statement.get("Effect")
        if effect not in ("Allow", "Deny"):
            raise AuthorizerFailed(f"a statement's Effect is {effect!r}, not Allow or Deny")
        if _concerns(statement, arn):
            allowed = allowed or effect == "Allow"
            denied = denied or effect == "Deny"
    return allowed and not denied, denied


def _statements(policy: object) -> list[dict[str, object]]:
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not all(isinstance(s, dict) for s in statements):
        raise AuthorizerFailed("its policyDocument has no list of Statements")
    return statements


def _concerns(statement: dict[str, object], arn: str) -> bool:
    actions = [action.lower() for action in _texts(statement.get("Action"))]
    if not any(action in ACTIONS for action in actions):
        return False
    return any(_pattern(resource).fullmatch(arn) for resource in _texts(statement.get("Resource")))


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts = [each for each in values if isinstance(each, str)]
    if not values or len(texts) < len(values):
        raise AuthorizerFailed("a statement's Action and Resource must be strings")
    return texts


@lru_cache(maxsize=1024)
def _pattern(resource: str) -> re.Pattern[str]:
    regex = re.escape(resource).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(regex, re.DOTALL)

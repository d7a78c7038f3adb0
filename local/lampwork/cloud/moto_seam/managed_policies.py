"""The documents of policies that AWS manages, of which moto has a copy."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any


def managed_policy(arn: str) -> Mapping[str, Any] | None:
    """The document of the policy with this ARN; None if moto does not know it."""
    known = _known().get(arn.rpartition(":policy/")[2].rpartition("/")[2])
    return None if known is None else known["Document"]


@cache
def _known() -> Mapping[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    policies: dict[str, Any] = json.loads(aws_managed_policies_data)
    return policies

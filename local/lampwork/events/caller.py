from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for the function: `form` says how an event names it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """

    form: str  # jwt, lambda or iam
    context: Mapping[str, Any]
    principal: str | None = None
    latency_ms: int = 0

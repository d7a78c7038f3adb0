from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller, as events describe it. `form` is the key under which an event of
    format 2.0 holds the `context`.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """

    form: str  # jwt, lambda or iam
    context: Mapping[str, Any]
    principal: str | None = None
    latency_ms: int = 0
    usage_key: str | None = None  # the API key that an authorizer has found

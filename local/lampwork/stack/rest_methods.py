"""What a method of a REST API does besides calling its function, as `template.apis.methods` reads
it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

IntegrationKind = Literal["MOCK", "AWS", "HTTP", "HTTP_PROXY"]
Passthrough = Literal["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"]
Period = Literal["DAY", "WEEK", "MONTH"]

# arn:aws:apigateway:{region}:{service}:{path or action}/{path of the service, or action}
AWS_URI: Final = re.compile(r"arn:aws[\w-]*:apigateway:([\w-]*):([\w.-]+):(path|action)/(.*)", re.S)


@dataclass(frozen=True, slots=True)
class IntegrationResponse:
    """How one kind of answer is passed on to the client.

    `pattern` is matched with the status, or with the error of a Lambda function; the response
    without one is the default. `parameters` gives the client's headers their sources, `templates`
    the bodies by media type.
    """

    status: int
    pattern: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    content_handling: str | None = None


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration other than the proxy of a Lambda function.

    `parameters` gives integration.request.{header, querystring or path}.NAME their sources. An
    integration of kind AWS has the logical id of a `function` if it leads to one.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
    """

    kind: IntegrationKind
    uri: str = ""
    method: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    passthrough: Passthrough = "WHEN_NO_MATCH"
    responses: tuple[IntegrationResponse, ...] = ()
    content_handling: str | None = None
    function: str | None = None

    @property
    def target(self) -> str:
        """Where it leads, as a list of routes names it."""
        if found := AWS_URI.fullmatch(self.uri):
            return f"{found[2]} {found[4]}"
        return self.uri or self.kind.lower()


@dataclass(frozen=True, slots=True)
class RequestChecks:
    """What a request validator requires: the names of `parameters` by their places (path,
    querystring, header), and JSON Schemas (draft 4) of the body by media type."""

    parameters: tuple[tuple[str, str], ...] = ()
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiKey:
    logical_id: str
    key_id: str
    name: str
    value: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class UsagePlan:
    """Who may call a stage, and how often. `rate` is in requests per second; `quota` requests are
    allowed in each `period`, which begins `offset` days late."""

    plan_id: str
    keys: tuple[ApiKey, ...] = ()
    rate: float | None = None
    burst: int | None = None
    quota: int | None = None
    period: Period = "DAY"
    offset: int = 0

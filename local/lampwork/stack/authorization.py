"""Who may call an API's routes, as a template says it; `template.authorizers` reads it."""

from dataclasses import dataclass
from typing import Literal

Place = Literal["header", "querystring", "context", "stageVariables"]


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """Where in a request the caller's identity stands; headers in any case."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class JwtAuthorizer:
    """An HTTP API's own check of tokens signed by `issuer`."""

    name: str
    issuer: str
    audience: tuple[str, ...]
    identity_source: IdentitySource = IdentitySource("header", "Authorization")


@dataclass(frozen=True, slots=True)
class LambdaAuthorizer:
    """A function that decides.

    `kind` TOKEN is of REST APIs only; there `pattern` is what a token must match to be asked about.
    `simple_responses` and `payload_format` 2.0 are of HTTP APIs only.
    """

    name: str
    function: str
    identity_sources: tuple[IdentitySource, ...] = ()
    ttl_seconds: int = 0
    kind: Literal["REQUEST", "TOKEN"] = "REQUEST"
    payload_format: str = "1.0"
    simple_responses: bool = False
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class IamAuthorizer:
    """Requests must be signed. The emulator holds no secrets: it looks only for a signature."""

    name: str = "AWS_IAM"


Authorizer = JwtAuthorizer | LambdaAuthorizer | IamAuthorizer


@dataclass(frozen=True, slots=True)
class Cors:
    """What other origins may do; the values are header values as in the template."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int | None = None
    allow_credentials: bool = False

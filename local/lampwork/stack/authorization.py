"""Who may call an API's routes, as the template says; `template.authorizers` reads it."""

from dataclasses import dataclass
from typing import Literal

Place = Literal["header", "querystring", "context", "stageVariables"]


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """Where a request holds the caller's identity. The case of a header's name does not matter."""

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
    """A function that decides who may call.

    Only REST APIs have the `kind` TOKEN; the function is asked only about tokens that match
    `pattern`. Only HTTP APIs have `simple_responses` and `payload_format` 2.0.
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
class PoolAuthorizer:
    """A REST API's own check of tokens of Cognito's user pools. `pools` are their ARNs; `pattern`
    must match the token's audience.

    A route with scopes takes access tokens, one without takes id tokens.
    """

    name: str
    pools: tuple[str, ...]
    identity_source: IdentitySource = IdentitySource("header", "Authorization")
    pattern: str | None = None

    @property
    def issuers(self) -> tuple[str, ...]:
        parts = (pool.split(":") for pool in self.pools)
        return tuple(
            f"https://cognito-idp.{part[3]}.amazonaws.com/{part[-1].rpartition('/')[2]}"
            for part in parts
        )


@dataclass(frozen=True, slots=True)
class IamAuthorizer:
    """Requests must be signed. The emulator has no secrets to verify a signature with: it only
    checks that there is one."""

    name: str = "AWS_IAM"


Authorizer = JwtAuthorizer | LambdaAuthorizer | PoolAuthorizer | IamAuthorizer


@dataclass(frozen=True, slots=True)
class Cors:
    """What pages of other origins may do. The values are header values, as in the template."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int | None = None
    allow_credentials: bool = False

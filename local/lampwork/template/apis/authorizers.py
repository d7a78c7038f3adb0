import re
from typing import Final

from lampwork.stack.authorization import (
    Authorizer,
    IamAuthorizer,
    IdentitySource,
    JwtAuthorizer,
    LambdaAuthorizer,
    PoolAuthorizer,
)
from lampwork.stack.function_names import FunctionNames
from lampwork.template.language.intrinsics import STORED
from lampwork.template.resource import Resource
from lampwork.template.source.values import Section, Values

# $request.header.X of HTTP APIs, method.request.header.X of REST, route.request.header.X of
# WebSocket APIs; the other two with and without a $.
SOURCE: Final = re.compile(
    r"(?:(?:\$|method\.|route\.)request\.(header|querystring)"
    r"|\$?(context|stageVariables))\.(.+)"
)
POOL: Final = re.compile(r"arn:[^:]+:cognito-idp:[^:]+:\d*:userpool/.+")
REST_TTL_SECONDS: Final = 300
DEFAULT_SOURCE: Final = IdentitySource("header", "Authorization")


def scheme_authorizer(
    api: Resource, name: str, scheme: Section, functions: FunctionNames
) -> Authorizer | None:
    """The authorizer that a security scheme of OpenAPI describes; None where it describes none.

    Raises:
        TemplateError: a value has an unknown form or is of the wrong kind.
    """
    if scheme.text("x-amazon-apigateway-authtype") == "awsSigv4":
        return IamAuthorizer()
    own = scheme.section("x-amazon-apigateway-authorizer")
    if not own:
        return None
    match str(own.text("type")).lower():
        case "jwt":
            return _jwt(name, own, "identitySource", "jwtConfiguration")
        case "token":
            header = f"method.request.header.{scheme.text('name')}"
            return LambdaAuthorizer(
                name,
                _function(api, name, own.text("authorizerUri"), functions),
                _sources(own, "identitySource") or (_source(own, "identitySource", header),),
                ttl_seconds=own.integer("authorizerResultTtlInSeconds", REST_TTL_SECONDS),
                kind="TOKEN",
                pattern=_pattern(name, own, "identityValidationExpression"),
            )
        case "request":
            payload_format = own.scalar("authorizerPayloadFormatVersion")
            return LambdaAuthorizer(
                name,
                _function(api, name, own.text("authorizerUri"), functions),
                _sources(own, "identitySource"),
                ttl_seconds=own.integer(
                    "authorizerResultTtlInSeconds", 0 if payload_format else REST_TTL_SECONDS
                ),
                payload_format=payload_format or "1.0",
                simple_responses=own.truth("enableSimpleResponses"),
            )
        case "cognito_user_pools":
            if api.type != "AWS::ApiGateway::RestApi":
                raise own.error(
                    f"the authorizer {name} is of the type cognito_user_pools, which only REST APIs"
                    " have; use the type jwt with the pool's ProviderURL as issuer.",
                    "type",
                )
            header = f"method.request.header.{scheme.text('name')}"
            return PoolAuthorizer(
                name,
                _pools(own, "providerARNs"),
                _source(own, "identitySource", header),
                _pattern(name, own, "identityValidationExpression"),
            )
        case other:
            _ignore(api, name, other)
            return None


def is_api_key(scheme: Section) -> bool:
    """Whether a security scheme asks for an API key of a usage plan."""
    return (
        scheme.text("type") == "apiKey"
        and scheme.text("in") == "header"
        and str(scheme.text("name")).lower() == "x-api-key"
        and not scheme.section("x-amazon-apigateway-authorizer")
    )


def resource_authorizer(authorizer: Resource, functions: FunctionNames) -> Authorizer | None:
    """An AWS::ApiGatewayV2::Authorizer or AWS::ApiGateway::Authorizer.

    Raises:
        TemplateError: a value has an unknown form or is of the wrong kind.
    """
    name = authorizer.text("Name") or authorizer.logical_id
    rest = authorizer.type == "AWS::ApiGateway::Authorizer"
    kind = authorizer.required("Type" if rest else "AuthorizerType")
    if kind == "JWT":
        return _jwt(name, authorizer, "IdentitySource", "JwtConfiguration")
    if kind == "COGNITO_USER_POOLS":
        found = _sources(authorizer, "IdentitySource") or (DEFAULT_SOURCE,)
        pattern = _pattern(name, authorizer, "IdentityValidationExpression")
        return PoolAuthorizer(name, _pools(authorizer, "ProviderARNs"), found[0], pattern)
    if kind not in ("REQUEST", "TOKEN"):
        _ignore(authorizer, name, kind)
        return None
    return LambdaAuthorizer(
        name,
        _function(authorizer, name, authorizer.text("AuthorizerUri"), functions),
        _sources(authorizer, "IdentitySource"),
        ttl_seconds=authorizer.integer(
            "AuthorizerResultTtlInSeconds", REST_TTL_SECONDS if rest else 0
        ),
        kind="TOKEN" if kind == "TOKEN" else "REQUEST",
        payload_format=authorizer.text("AuthorizerPayloadFormatVersion") or "1.0",
        simple_responses=authorizer.truth("EnableSimpleResponses"),
        pattern=_pattern(name, authorizer, "IdentityValidationExpression"),
    )


def route_authorizer(route: Resource, functions: FunctionNames) -> Authorizer | None:
    """Who may call an AWS::ApiGatewayV2::Route or an AWS::ApiGateway::Method.

    Raises:
        TemplateError: it names an authorizer that is not in the template.
    """
    kind = route.text("AuthorizationType") or "NONE"
    if kind == "NONE":
        return None
    if kind == "AWS_IAM":
        return IamAuthorizer()
    named = route.required("AuthorizerId")
    for type in ("AWS::ApiGatewayV2::Authorizer", "AWS::ApiGateway::Authorizer"):
        for authorizer in route.template.of_type(type):
            if authorizer.identity.reference == named:
                return resource_authorizer(authorizer, functions)
    raise route.error(
        f"the AuthorizerId of {route.logical_id}, {named!r}, is not an authorizer of this template;"
        " name one with !Ref."
    )


def _jwt(name: str, authorizer: Values, sources: str, settings: str) -> JwtAuthorizer:
    given = authorizer.section(settings).in_lower_case()
    if (issuer := given.text("issuer")) is None:
        problem = f"the authorizer {name} needs an issuer in its JwtConfiguration."
        raise authorizer.error(problem, settings)
    found = _sources(authorizer, sources) or (DEFAULT_SOURCE,)
    return JwtAuthorizer(name, issuer, given.one_or_more("audience"), found[0])


def _pools(authorizer: Values, name: str) -> tuple[str, ...]:
    pools = authorizer.one_or_more(name)
    for pool in pools:
        if stored := STORED.search(pool):
            raise authorizer.error(
                f"the SSM parameter {stored[1]} is made by no stack here; add the template that"
                " makes it, with a further -t.",
                name,
            )
        if POOL.fullmatch(pool) is None:
            raise authorizer.error(
                f"{pool!r} is not the ARN of a user pool; name one with !GetAtt MyPool.Arn.", name
            )
    return pools


def _sources(authorizer: Values, name: str) -> tuple[IdentitySource, ...]:
    """One or more identity sources, in a list or separated by commas."""
    written = ",".join(authorizer.one_or_more(name)).split(",")
    return tuple(_source(authorizer, name, each.strip()) for each in written if each.strip())


def _source(authorizer: Values, name: str, written: str) -> IdentitySource:
    found = SOURCE.fullmatch(written)
    if found is None:
        raise authorizer.error(
            f"{written!r} is not an identity source; write $request.header.NAME,"
            " $request.querystring.NAME, $context.NAME or $stageVariables.NAME.",
            name,
        )
    return IdentitySource(found[1] or found[2], found[3])  # type: ignore[arg-type]


def _function(api: Resource, name: str, uri: str | None, functions: FunctionNames) -> str:
    function = functions.find(uri)
    if function is None:
        api.ignore(f"authorizer {name}", "it leads to no function here: its routes answer 500")
        return name
    return function.logical_id


def _pattern(name: str, authorizer: Values, property: str) -> str | None:
    if (expression := authorizer.text(property)) is None:
        return None
    try:
        return re.compile(expression).pattern
    except re.error as error:
        raise authorizer.error(
            f"the validation expression {expression!r} of the authorizer {name} is not a regular"
            f" expression: {error}.",
            property,
        ) from error


def _ignore(api: Resource, name: str, kind: str) -> None:
    api.ignore(f"authorizer {name} ({kind})", "its routes are open here")

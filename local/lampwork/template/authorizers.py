import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lampwork.stack.authorization import (
    Authorizer,
    IamAuthorizer,
    IdentitySource,
    JwtAuthorizer,
    LambdaAuthorizer,
)
from lampwork.stack.function_names import FunctionNames
from lampwork.template.resource import Resource

# $request.header.X of HTTP APIs, method.request.header.X of REST, route.request.header.X of
# WebSocket APIs; the other two with and without a $.
SOURCE: Final = re.compile(
    r"(?:(?:\$|method\.|route\.)request\.(header|querystring)"
    r"|\$?(context|stageVariables))\.(.+)"
)
REST_TTL_SECONDS: Final = 300
DEFAULT_SOURCE: Final = IdentitySource("header", "Authorization")


def scheme_authorizer(
    api: Resource, name: str, scheme: Mapping[str, Any], functions: FunctionNames
) -> Authorizer | None:
    """An authorizer that a security scheme of OpenAPI describes; None for one that is none.

    Raises:
        TemplateError: something in it has no known form.
    """
    if scheme.get("x-amazon-apigateway-authtype") == "awsSigv4":
        return IamAuthorizer()
    own = scheme.get("x-amazon-apigateway-authorizer")
    if not isinstance(own, Mapping):
        if scheme.get("in") == "header" and scheme.get("name") == "x-api-key":
            api.ignore(f"API keys ({name})", "any caller may use its routes")
        return None
    match str(own.get("type")).lower():
        case "jwt":
            return _jwt(api, name, own.get("identitySource"), own.get("jwtConfiguration"))
        case "token":
            sources = own.get("identitySource") or f"method.request.header.{scheme.get('name')}"
            return LambdaAuthorizer(
                name,
                _function(api, name, own.get("authorizerUri"), functions),
                _sources(api, sources),
                ttl_seconds=_seconds(own.get("authorizerResultTtlInSeconds"), REST_TTL_SECONDS),
                kind="TOKEN",
                pattern=_pattern(api, name, own.get("identityValidationExpression")),
            )
        case "request":
            payload_format = own.get("authorizerPayloadFormatVersion")
            return LambdaAuthorizer(
                name,
                _function(api, name, own.get("authorizerUri"), functions),
                _sources(api, own.get("identitySource")),
                ttl_seconds=_seconds(
                    own.get("authorizerResultTtlInSeconds"),
                    0 if payload_format else REST_TTL_SECONDS,
                ),
                payload_format=str(payload_format or "1.0"),
                simple_responses=own.get("enableSimpleResponses") is True,
            )
        case other:
            _ignore(api, name, other)
            return None


def resource_authorizer(authorizer: Resource, functions: FunctionNames) -> Authorizer | None:
    """An AWS::ApiGatewayV2::Authorizer or AWS::ApiGateway::Authorizer.

    Raises:
        TemplateError: something in it has no known form.
    """
    name = authorizer.text("Name") or authorizer.logical_id
    rest = authorizer.type == "AWS::ApiGateway::Authorizer"
    kind = authorizer.required("Type" if rest else "AuthorizerType")
    sources = authorizer.get("IdentitySource")
    if kind == "JWT":
        return _jwt(authorizer, name, sources, authorizer.get("JwtConfiguration"))
    if kind not in ("REQUEST", "TOKEN"):
        _ignore(authorizer, name, kind)
        return None
    return LambdaAuthorizer(
        name,
        _function(authorizer, name, authorizer.get("AuthorizerUri"), functions),
        _sources(authorizer, sources),
        ttl_seconds=authorizer.integer(
            "AuthorizerResultTtlInSeconds", REST_TTL_SECONDS if rest else 0
        ),
        kind="TOKEN" if kind == "TOKEN" else "REQUEST",
        payload_format=authorizer.text("AuthorizerPayloadFormatVersion") or "1.0",
        simple_responses=authorizer.get("EnableSimpleResponses") in (True, "true"),
        pattern=_pattern(authorizer, name, authorizer.get("IdentityValidationExpression")),
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
        f"the AuthorizerId of {route.logical_id}, {named!r}, is no authorizer of this template;"
        " name one with !Ref."
    )


def _jwt(api: Resource, name: str, source: Any, settings: Any) -> JwtAuthorizer:
    settings = settings if isinstance(settings, Mapping) else {}
    by_name = {key.lower(): value for key, value in settings.items()}
    issuer, audience = by_name.get("issuer"), by_name.get("audience") or ()
    if not isinstance(issuer, str):
        raise api.error(f"the authorizer {name} needs an issuer in its JwtConfiguration.")
    sources = _sources(api, source) or (DEFAULT_SOURCE,)
    return JwtAuthorizer(
        name,
        issuer,
        tuple([audience] if isinstance(audience, str) else map(str, audience)),
        sources[0],
    )


def _sources(api: Resource, sources: Any) -> tuple[IdentitySource, ...]:
    if sources is None:
        return ()
    written: Iterable[str] = sources.split(",") if isinstance(sources, str) else sources
    return tuple(_source(api, each.strip()) for each in written if each.strip())


def _source(api: Resource, written: str) -> IdentitySource:
    found = SOURCE.fullmatch(written)
    if found is None:
        raise api.error(
            f"{written!r} is no identity source; write $request.header.NAME,"
            " $request.querystring.NAME, $context.NAME or $stageVariables.NAME."
        )
    return IdentitySource(found[1] or found[2], found[3])  # type: ignore[arg-type]


def _function(api: Resource, name: str, uri: Any, functions: FunctionNames) -> str:
    function = functions.find(uri)
    if function is None:
        api.ignore(f"authorizer {name}", "it leads to no function here: its routes answer 500")
        return name
    return function.logical_id


def _pattern(api: Resource, name: str, expression: Any) -> str | None:
    if expression is None:
        return None
    try:
        return re.compile(str(expression)).pattern
    except re.error as error:
        raise api.error(
            f"the validation expression {expression!r} of the authorizer {name} is no regular"
            f" expression: {error}."
        ) from error


def _ignore(api: Resource, name: str, kind: str) -> None:
    api.ignore(f"authorizer {name} ({kind})", "its routes are open here")


def _seconds(value: Any, default: int) -> int:
    return default if value is None else int(value)

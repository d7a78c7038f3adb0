"""What API Gateway reads from an API's OpenAPI definition.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lampwork.stack.authorization import Authorizer, IamAuthorizer
from lampwork.stack.function_names import FunctionNames
from lampwork.template.authorizers import scheme_authorizer
from lampwork.template.includes import TRANSFORM
from lampwork.template.resource import Resource

INTEGRATION: Final = "x-amazon-apigateway-integration"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integrations.html
INTEGRATIONS: Final = "x-amazon-apigateway-integrations"
ANY_METHOD: Final = "x-amazon-apigateway-any-method"
METHODS: Final = frozenset({"delete", "get", "head", "options", "patch", "post", "put"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a path: its integration, and who may call it."""

    method: str
    path: str
    integration: Mapping[str, Any]
    authorizer: Authorizer | None
    scopes: tuple[str, ...]


def definition(api: Resource) -> Mapping[str, Any]:
    """The `Body` of an API; what stands in a file of S3 is named, and left out of it."""
    included = api.without("Body", TRANSFORM)
    if included is not None or api.get("BodyS3Location") is not None:
        api.ignore("definition", "it is in S3; name a file of this machine")
        return included or {}
    return api.mapping("Body")


def operations(
    api: Resource, body: Mapping[str, Any], functions: FunctionNames
) -> Iterator[Operation]:
    """The operations of an API's `Body`.

    Raises:
        TemplateError: the body is none, or an authorizer cannot be read.
    """
    components = _mapping(api, "components", body.get("components"))
    shared = _mapping(api, INTEGRATIONS, components.get(INTEGRATIONS))
    schemes = {
        name: scheme_authorizer(api, name, scheme, functions)
        for name, scheme in _schemes(api, body).items()
    }
    for path, item in _mapping(api, "paths", body.get("paths")).items():
        for key, operation in _mapping(api, path, item).items():
            if key not in METHODS and key != ANY_METHOD:
                continue
            operation = _mapping(api, f"{path}: {key}", operation)
            authorizer, scopes = _security(api, operation, body, schemes)
            integration = _mapping(api, INTEGRATION, operation.get(INTEGRATION))
            if reference := integration.get("$ref"):
                name = str(reference).rpartition("/")[2]
                integration = _mapping(api, str(reference), shared.get(name))
            yield Operation(
                "ANY" if key == ANY_METHOD else key.upper(),
                path,
                integration,
                authorizer,
                scopes,
            )


def _schemes(api: Resource, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of OpenAPI 3, and of Swagger 2."""
    components = _mapping(api, "components", body.get("components"))
    return {
        **_mapping(api, "securityDefinitions", body.get("securityDefinitions")),
        **_mapping(api, "securitySchemes", components.get("securitySchemes")),
    }


def _security(
    api: Resource,
    operation: Mapping[str, Any],
    body: Mapping[str, Any],
    schemes: Mapping[str, Authorizer | None],
) -> tuple[Authorizer | None, tuple[str, ...]]:
    """The first authorizer that is asked for; an API key beside it is none."""
    if operation.get("x-amazon-apigateway-auth", {}).get("type") == "AWS_IAM":
        return IamAuthorizer(), ()
    for requirement in operation.get("security", body.get("security")) or []:
        for name, scopes in _mapping(api, "security", requirement).items():
            if authorizer := schemes.get(name):
                return authorizer, tuple(scopes or ())
    return None, ()


def _mapping(api: Resource, name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise api.error(f"in the definition of {api.logical_id}, {name} must be a mapping.")
    return value

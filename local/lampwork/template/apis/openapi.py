"""What API Gateway reads from an API's OpenAPI definition.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lampwork.stack.authorization import Authorizer, IamAuthorizer
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import ACCOUNT_ID
from lampwork.template.apis.authorizers import is_api_key, scheme_authorizer
from lampwork.template.language.identity import PARTITION, URL_SUFFIX
from lampwork.template.resource import Resource
from lampwork.template.source.event_routes import ANY_METHOD, METHODS
from lampwork.template.source.includes import TRANSFORM
from lampwork.template.source.values import Section

VARIABLE: Final = re.compile(r"\$\{(AWS::\w+)\}")
INTEGRATION: Final = "x-amazon-apigateway-integration"
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integrations.html
INTEGRATIONS: Final = "x-amazon-apigateway-integrations"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a path: its integration, and who may call it. `section` is the operation as it
    is written, and `item` the path around it."""

    method: str
    path: str
    integration: Section
    authorizer: Authorizer | None
    scopes: tuple[str, ...]
    needs_api_key: bool
    section: Section
    item: Section


def definition(api: Resource) -> Section:
    """The `Body` of an API. A part that is in a file in S3 is reported and left out."""
    included = api.without("Body", TRANSFORM)
    if included is not None or api.get("BodyS3Location") is not None:
        api.ignore("definition", "it is in S3; name a file on this machine")
        return _with_variables(api, included or Section(api, "Body", {}))
    return _with_variables(api, api.section("Body"))


def _with_variables(api: Resource, body: Section) -> Section:
    """The definition with AWS's variables, such as ${AWS::Region}, which API Gateway itself fills
    in where CloudFormation has not: in an included file.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/import-api-aws-variables.html
    """
    values = {
        "AWS::AccountId": ACCOUNT_ID,
        "AWS::Partition": PARTITION,
        "AWS::Region": api.identity.place.region,
        "AWS::URLSuffix": URL_SUFFIX,
    }

    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        if isinstance(value, str) and "${AWS::" in value:
            return VARIABLE.sub(lambda found: values.get(found[1], found[0]), value)
        return value

    content = {name: filled(value) for name, value in body.content.items()}
    return Section(api, "Body", content)


def operations(api: Resource, body: Section, functions: FunctionNames) -> Iterator[Operation]:
    """The operations of an API's `Body`.

    Raises:
        TemplateError: a value is of the wrong kind, or an authorizer cannot be read.
    """
    shared = body.section("components").section(INTEGRATIONS)
    schemes = {
        name: scheme_authorizer(api, name, scheme, functions)
        for name, scheme in _schemes(body).items()
    }
    paths = body.section("paths")
    for path in paths:
        item = paths.section(path)
        for key in item:
            if key not in METHODS and key != ANY_METHOD:
                continue
            operation = item.section(key)
            authorizer, scopes = _security(operation, body, schemes)
            integration = operation.section(INTEGRATION)
            if reference := integration.text("$ref"):
                integration = shared.section(reference.rpartition("/")[2])
            yield Operation(
                method="ANY" if key == ANY_METHOD else key.upper(),
                path=path,
                integration=integration,
                authorizer=authorizer,
                scopes=scopes,
                needs_api_key=_needs_api_key(operation, body),
                section=operation,
                item=item,
            )


def _needs_api_key(operation: Section, body: Section) -> bool:
    schemes = _schemes(body)
    return any(
        name in schemes and is_api_key(schemes[name])
        for requirement in _asked(operation, body).sections("security")
        for name in requirement
    )


def _asked(operation: Section, body: Section) -> Section:
    # An empty list makes an operation public even where the API has an authorizer.
    return body if operation.get("security") is None else operation


def _schemes(body: Section) -> dict[str, Section]:
    """The security schemes of OpenAPI 3 and of Swagger 2."""
    places = (
        body.section("securityDefinitions"),
        body.section("components").section("securitySchemes"),
    )
    return {name: place.section(name) for place in places for name in place}


def _security(
    operation: Section, body: Section, schemes: Mapping[str, Authorizer | None]
) -> tuple[Authorizer | None, tuple[str, ...]]:
    """The first authorizer that is required. An API key is not an authorizer."""
    if operation.section("x-amazon-apigateway-auth").text("type") == "AWS_IAM":
        return IamAuthorizer(), ()
    for requirement in _asked(operation, body).sections("security"):
        for name in requirement:
            if authorizer := schemes.get(name):
                return authorizer, requirement.texts(name)
    return None, ()

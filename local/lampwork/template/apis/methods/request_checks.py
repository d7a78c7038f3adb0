"""Request validators and models, from OpenAPI and from CloudFormation.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from lampwork.stack.rest_methods import RequestChecks
from lampwork.template.apis.openapi import Operation
from lampwork.template.resource import Resource
from lampwork.template.source.values import Section, Values

VALIDATOR: Final = "x-amazon-apigateway-request-validator"
PLACES: Final = {"query": "querystring", "header": "header", "path": "path"}
PARAMETER: Final = re.compile(r"method\.request\.(header|querystring|path)\.(.+)")
JSON: Final = "application/json"
# How a model names another one.
MODEL_ADDRESS: Final = re.compile(r"https://apigateway\.amazonaws\.com/restapis/[^/]+/models/(\w+)")
# The model that every API has.
EMPTY: Final[Mapping[str, Any]] = {"type": "object"}


def operation_checks(api: Resource, body: Section, operation: Operation) -> RequestChecks | None:
    """What the validator of an operation in OpenAPI requires; None where there is none.

    Raises:
        TemplateError: a validator or a model is unknown or malformed.
    """
    name = operation.section.text(VALIDATOR) or body.text(VALIDATOR)
    if name is None:
        return None
    validators = body.section(f"{VALIDATOR}s")
    if name not in validators:
        raise api.error(f"the request validator {name!r} is not among {VALIDATOR}s.", "Body")
    validator = validators.section(name)
    parameters = list(_parameters(body, operation))
    models: dict[str, Mapping[str, Any]] = {}
    if validator.truth("validateRequestBody"):
        for media_type, schema in _bodies(body, operation, parameters):
            models[media_type] = _checked(api, _standalone(schema, body), "Body")
    required: list[tuple[str, str]] = []
    if validator.truth("validateRequestParameters"):
        required = [
            (PLACES[each.required("in")], each.required("name"))
            for each in parameters
            if each.text("in") in PLACES and each.truth("required")
        ]
    return _checks(required, models)


def method_checks(api: Resource, method: Resource) -> RequestChecks | None:
    """What the validator of an AWS::ApiGateway::Method requires; None where there is none.

    Raises:
        TemplateError: a validator or a model is unknown or malformed.
    """
    named = method.text("RequestValidatorId")
    if named is None:
        return None
    validator = _validator(method, named)
    models: dict[str, Mapping[str, Any]] = {}
    if validator.truth("ValidateRequestBody"):
        schemas = _schemas(api)
        for media_type, name in method.variables("RequestModels").items():
            if name not in schemas:
                problem = f"the model {name!r} of {method.logical_id} is not in its API."
                raise method.error(problem, "RequestModels")
            schema = {**_without_addresses(schemas[name]), "definitions": schemas}
            models[media_type] = _checked(method, _without_addresses(schema), "RequestModels")
    required: list[tuple[str, str]] = []
    if validator.truth("ValidateRequestParameters"):
        given = method.section("RequestParameters")
        for name in given:
            found = PARAMETER.fullmatch(name)
            if found is not None and given.truth(name):
                required.append((found[1], found[2]))
    return _checks(required, models)


def _checks(
    required: list[tuple[str, str]], models: Mapping[str, Mapping[str, Any]]
) -> RequestChecks | None:
    if not required and not models:
        return None
    # As AWS lists what is missing: headers, then the path, then the query string.
    return RequestChecks(tuple(sorted(required)), models)


def _validator(method: Resource, named: str) -> Values:
    for validator in method.template.of_type("AWS::ApiGateway::RequestValidator"):
        if validator.identity.reference == named:
            return validator
    problem = f"the RequestValidatorId of {method.logical_id} is not a validator of this template."
    raise method.error(problem, "RequestValidatorId")


def _schemas(api: Resource) -> dict[str, Any]:
    """The models of an API by name."""
    schemas: dict[str, Any] = {"Empty": dict(EMPTY)}
    for model in api.template.of_type("AWS::ApiGateway::Model"):
        if model.get("RestApiId") == api.identity.reference:
            schemas[model.identity.name] = _schema(model)
    return schemas


def _schema(model: Resource) -> Mapping[str, Any]:
    schema = model.get("Schema")
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except ValueError as error:
            problem = f"the Schema of {model.logical_id} is not JSON: {error}."
            raise model.error(problem, "Schema") from error
    if not isinstance(schema or {}, dict):
        raise model.error(f"the Schema of {model.logical_id} must be a mapping.", "Schema")
    return cast(Mapping[str, Any], schema or {})


def _parameters(body: Section, operation: Operation) -> Iterator[Section]:
    """The parameters of an operation and of its path, with references followed."""
    shared = {
        "#/parameters/": body.section("parameters"),
        "#/components/parameters/": body.section("components").section("parameters"),
    }
    for holder in (operation.item, operation.section):
        for parameter in holder.sections("parameters"):
            reference = parameter.text("$ref")
            if reference is None:
                yield parameter
                continue
            for prefix, place in shared.items():
                if reference.startswith(prefix):
                    yield place.section(reference.removeprefix(prefix))


def _bodies(
    body: Section, operation: Operation, parameters: list[Section]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas of an operation's body by media type: Swagger 2 has a parameter for it, OpenAPI 3
    a requestBody."""
    for parameter in parameters:
        if parameter.text("in") == "body" and (schema := parameter.section("schema")):
            consumed = operation.section.texts("consumes") or body.texts("consumes") or (JSON,)
            for media_type in consumed:
                yield media_type, schema.content
    content = operation.section.section("requestBody").section("content")
    for media_type in content:
        if schema := content.section(media_type).section("schema"):
            yield media_type, schema.content


def _standalone(schema: Mapping[str, Any], body: Section) -> Mapping[str, Any]:
    """A schema with the definitions that it may refer to."""
    return {
        **schema,
        "definitions": body.section("definitions").content,
        "components": {"schemas": body.section("components").section("schemas").content},
    }


def _without_addresses(schema: Any) -> Any:
    """A schema in which models are named as #/definitions/…, not by their addresses."""
    if isinstance(schema, dict):
        return {
            key: (
                MODEL_ADDRESS.sub(r"#/definitions/\1", value)
                if key == "$ref" and isinstance(value, str)
                else _without_addresses(value)
            )
            for key, value in schema.items()
        }
    if isinstance(schema, list):
        return [_without_addresses(each) for each in schema]
    return schema


def _checked(resource: Resource, schema: Mapping[str, Any], property: str) -> Mapping[str, Any]:
    # Loaded only for templates that have models.
    from jsonschema import Draft4Validator, SchemaError

    own = {name: value for name, value in schema.items() if name != "components"}
    try:
        Draft4Validator.check_schema(own)
    except SchemaError as error:
        raise resource.error(
            f"a model of {resource.logical_id} is not a JSON schema (draft 4): {error.message}.",
            property,
        ) from error
    return schema

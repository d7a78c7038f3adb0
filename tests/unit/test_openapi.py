"""What the schema says, compared with the source, with its own examples and with real answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from local import openapi, openapi_refusals
from local.openapi_examples import EXAMPLES, IN_COOKIES
from shared.errors import (
    DomainError,
    Forbidden,
    InvalidTicket,
    MailboxElsewhere,
    TooManySockets,
    UserNotFound,
)
from tests.documented import check_documented
from tests.raised_errors import ERRORS, Place, raised_by

SCHEMA = openapi.build()
ROUTES = [route for route in openapi.routes() if route.include_in_schema]
OPERATIONS = pytest.mark.parametrize("route", ROUTES, ids=openapi_refusals.name)

# Classes that only stand for their descendants, and errors that no operation of the schema answers.
GROUPS = {each for each in ERRORS.values() if each.__subclasses__()}
ELSEWHERE = {
    InvalidTicket: "a WebSocket's handshake",
    TooManySockets: "a WebSocket's handshake",
    UserNotFound: "functions.ops.set_plan, which no gateway serves",
    MailboxElsewhere: "a page of the developer's mailbox",
    Forbidden: "nothing: its descendants say why",
}


def resolved(schema: dict[str, Any]) -> Draft202012Validator:
    """A validator that finds the components of the schema."""
    return Draft202012Validator({**schema, "components": SCHEMA["components"]})


def bodies() -> Iterator[Any]:
    """Each content of a request or an answer: where it is, and its description."""
    for path, operations in SCHEMA["paths"].items():
        for method, operation in operations.items():
            answers = {"request": operation.get("requestBody", {}), **operation["responses"]}
            for status, found in answers.items():
                shared = found.get("$ref", "").rpartition("/")[2]
                answer = SCHEMA["components"]["responses"].get(shared, found)
                for media_type, content in answer.get("content", {}).items():
                    place = f"{method.upper()} {path} {status} {media_type}"
                    yield pytest.param(content, id=place)


def documented(route: APIRoute) -> set[type[DomainError]]:
    return set(openapi_refusals.errors_of(route))


def raised(route: APIRoute) -> set[type[DomainError]]:
    found = raised_by(Place(route.endpoint.__module__, route.endpoint.__name__))
    return found - openapi_refusals.NEVER.get(openapi_refusals.name(route), frozenset())


@OPERATIONS
def test_an_operation_documents_every_error_that_its_code_can_raise(route):
    missing = {each.__name__ for each in raised(route) - documented(route)}

    assert not missing, f"Add to OF_ROUTES[{openapi_refusals.name(route)!r}] what it can answer."


@OPERATIONS
def test_an_operation_documents_no_error_that_its_code_cannot_raise(route):
    own = set(openapi_refusals.OF_ROUTES.get(openapi_refusals.name(route), ()))

    assert own <= raised(route)


def test_every_line_of_errors_is_that_of_a_route():
    assert openapi_refusals.OF_ROUTES.keys() <= {openapi_refusals.name(route) for route in ROUTES}


def test_every_error_of_the_tree_is_documented_somewhere():
    somewhere = {each for route in ROUTES for each in documented(route)}

    unknown = set(ERRORS.values()) - somewhere - GROUPS - ELSEWHERE.keys()
    assert not {each.__name__ for each in unknown}
    assert not somewhere & ELSEWHERE.keys()


@pytest.mark.parametrize("content", [*bodies()])
def test_a_body_has_examples_and_they_are_valid(content):
    schema = content["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    for variant in schema.get("anyOf", ()):
        name = name or variant.get("$ref", "").rpartition("/")[2]
    known = SCHEMA["components"]["examples"]
    shown = content.get("examples", {}).values()
    examples = [{**each, **known.get(each.get("$ref", "")[22:], {})}["value"] for each in shown]
    examples += SCHEMA["components"]["schemas"].get(name, {}).get("examples", [])

    assert examples or not schema
    for example in examples:
        assert not [each.message for each in resolved(schema).iter_errors(example)]


def test_every_example_is_used():
    used = str(SCHEMA["paths"])

    used += str(SCHEMA["components"]["responses"])
    assert all(f"/schemas/{name}'" in used for name in EXAMPLES)


def test_an_answer_that_no_operation_documents_is_noticed():
    with pytest.raises(AssertionError, match="GET /api/v1/tasks answers 409 task_finished"):
        check_documented("GET", "/api/v1/tasks", 409, {"code": "task_finished"})
    check_documented("GET", "/api/v1/tasks", 400, {"code": "invalid_cursor"})
    check_documented("GET", "/api/v1/tasks/1", 404, {"code": "task_not_found"})
    check_documented("GET", "/dev/mailbox", 409, {"code": "task_finished"})


def test_tokens_come_in_the_body_or_in_cookies_alone():
    operation = SCHEMA["paths"]["/api/v1/auth/login"]["post"]
    schema = resolved(operation["responses"]["200"]["content"]["application/json"]["schema"])
    half = {**IN_COOKIES, "access_token": "eyJhbGciOiJFZERTQSJ9…"}

    assert schema.is_valid(EXAMPLES["TokenResponse"])
    assert schema.is_valid(IN_COOKIES)
    assert not schema.is_valid(half)
    assert not schema.is_valid({**EXAMPLES["TokenResponse"], "refresh_token": None})


def bounds(schema: Any) -> Iterator[float]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name in ("minimum", "maximum"):
                yield value
            else:
                yield from bounds(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from bounds(each)


def test_every_bound_is_a_number_that_every_reader_gets_exactly():
    assert all(int(bound) == bound and abs(bound) < 2**53 for bound in bounds(SCHEMA))
    assert 2**53 - 1 in set(bounds(SCHEMA))


@OPERATIONS
def test_the_bounds_of_parameters_are_accepted_and_what_lies_beyond_is_not(route):
    for parameter in (*route.dependant.query_params, *route.dependant.header_params):
        schema = TypeAdapter(parameter.field_info.annotation).json_schema()
        documented = next(
            each["schema"]
            for each in SCHEMA["paths"][route.path][next(iter(route.methods)).lower()]["parameters"]
            if each["name"] == parameter.alias
        )
        for bound, beyond in ((documented.get("minimum"), -1), (documented.get("maximum"), 1)):
            if bound is not None:
                assert not parameter.validate(str(int(bound)))[1], schema
                assert parameter.validate(str(int(bound) + beyond))[1], schema


@OPERATIONS
def test_an_operation_says_which_credentials_it_takes(route):
    operation = SCHEMA["paths"][route.path][next(iter(route.methods)).lower()]

    assert "security" in operation
    needs_some = bool(operation["security"]) and {} not in operation["security"]
    assert needs_some <= ("401" in operation["responses"])
    assert "default" not in operation["responses"]

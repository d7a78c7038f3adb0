"""Writes functions/docs/openapi.json: `python -m local.openapi [--check]`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

import functions
from functions.asgi import apps as functions_apps
from local.openapi_examples import EXAMPLES, IN_COOKIES
from local.openapi_refusals import answers, asks_who, examples, headers, scope_of
from local.openapi_refusals import name as operation_name
from shared.schemas.auth import TokenResponse

TARGET = Path(functions.__path__[0]) / "docs" / "openapi.json"
DESCRIPTION = (
    "Sign up, submit a prompt, watch it live, fetch the picture. Live status comes over "
    "`/ws/tasks/{task_id}`; errors are problem+json (RFC 9457) with a stable `code`."
)
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457; some codes have further members.",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable; compare this."},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
GATEWAY_ERROR = {
    "type": "object",
    "title": "GatewayError",
    "required": ["message"],
    "properties": {"message": {"type": ["string", "null"]}},
}

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-access_token"},
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of the account, `lw_…`, with the scope that is named here.",
    },
    "refreshCookie": {"type": "apiKey", "in": "cookie", "name": "__Host-refresh_token"},
}
OF_A_CALLER = ("bearer", "cookie")
# These take credentials, and have something to say without any.
OPTIONAL_SECURITY = {
    "POST /api/v1/auth/refresh": ("refreshCookie",),
    "POST /api/v1/auth/logout": ("bearer", "cookie", "refreshCookie"),
}

TOKEN_BODY = {"$ref": "#/components/schemas/TokenResponse"}
IN_BODY = ["access_token", "refresh_token"]
# Which of the two, the request says in X-Token-Delivery.
TOKENS = {
    "application/json": {
        "schema": {
            "oneOf": [
                {"title": "Tokens in the body", "allOf": [TOKEN_BODY, {"required": IN_BODY}]},
                {
                    "title": "Tokens in cookies alone",
                    "allOf": [TOKEN_BODY, {"properties": dict.fromkeys(IN_BODY, False)}],
                },
            ]
        },
        "examples": {
            "body": {"summary": "Tokens in the body", "value": EXAMPLES["TokenResponse"]},
            "cookie": {"summary": "X-Token-Delivery: cookie", "value": IN_COOKIES},
        },
    }
}


def _of_new_task(path: str, method: str) -> dict[str, Any]:
    pointer = path.replace("~", "~0").replace("/", "~1")
    return {
        "operationRef": f"#/paths/{pointer}/{method}",
        "parameters": {"task_id": "$response.body#/id"},
    }


TASK = "/api/v1/tasks/{task_id}"
LINKS = {
    ("/api/v1/tasks", "post", "202"): {
        "get": _of_new_task(TASK, "get"),
        "cancel": _of_new_task(f"{TASK}/cancel", "post"),
        "result": _of_new_task(f"{TASK}/result", "get"),
    },
}


def build() -> dict[str, Any]:
    """One schema over the apps of all HTTP functions."""
    every = routes()
    schema = get_openapi(title="Lampwork", version="1", description=DESCRIPTION, routes=every)
    components = schema["components"]["schemas"]
    for route in every:
        if not route.include_in_schema:
            continue
        operation = schema["paths"][route.path][next(iter(route.methods or ())).lower()]
        own = {status: each for status, each in operation["responses"].items() if status != "422"}
        operation["responses"] = dict(sorted({**answers(route), **own}.items()))
        operation["security"] = _security(route)
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _as_text_can_be(parameter["schema"])
        if route.response_model_exclude_none:
            _leave_out_nulls(components, f"{route.response_model.__name__}")
        if route.response_model is TokenResponse:
            operation["responses"]["200"]["content"] = TOKENS
    for (path, method, status), links in LINKS.items():
        schema["paths"][path][method]["responses"][status]["links"] = links
    schema["components"] |= {
        "securitySchemes": SECURITY_SCHEMES,
        "examples": examples(every),
        "headers": headers(),
    }
    components.pop("HTTPValidationError", None)
    components.pop("ValidationError", None)
    components |= {"Problem": PROBLEM, "GatewayError": GATEWAY_ERROR}
    for name, example in EXAMPLES.items():
        components[name]["examples"] = [example]
    schema["components"]["responses"] = _share_answers(schema["paths"])
    return schema


def _share_answers(paths: dict[str, Any]) -> dict[str, Any]:
    """Replace the refusals of operations by references; the same ones are written once."""
    shared: dict[str, Any] = {}
    for operations in paths.values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    alike = (name for name, each in shared.items() if each == answer)
                    number = sum(name.startswith(status) for name in shared) + 1
                    name = next(alike, f"{status}.{number}")
                    shared[name] = answer
                    operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(shared.items()))


def _security(route: APIRoute) -> list[dict[str, list[str]]]:
    """The credentials that an operation takes, any of them; an empty object stands for none."""
    if asks_who(route.dependant):
        of_people: list[dict[str, list[str]]] = [{name: []} for name in OF_A_CALLER]
        scope = scope_of(route.dependant)
        return of_people if scope is None else [*of_people, {"apiKey": [scope.value]}]
    taken = OPTIONAL_SECURITY.get(operation_name(route), ())
    optional: list[dict[str, list[str]]] = [{name: []} for name in taken]
    return [*optional, {}] if optional else []


def _leave_out_nulls(components: dict[str, Any], name: str) -> None:
    """Describe a body whose members are left out instead of being null."""
    body = components[name]
    for member, described in body.get("properties", {}).items():
        without = [each for each in described.get("anyOf", ()) if each != {"type": "null"}]
        if len(without) < len(described.get("anyOf", ())):
            body["properties"][member] = _as_text_can_be(described)
            if member in body.get("required", ()):
                body["required"].remove(member)
        for each in (described, *without):
            if "$ref" in each:
                _leave_out_nulls(components, each["$ref"].rpartition("/")[2])


def routes() -> list[APIRoute]:
    return [
        route for app in functions_apps() for route in app.routes if isinstance(route, APIRoute)
    ]


def _as_text_can_be(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter may be missing, but is never null."""
    variants = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(variants) != 1:
        return schema
    others = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**others, **variants[0]}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="only say whether it is up to date")
    built = text(build())
    if arguments.parse_args().check:
        return 0 if TARGET.exists() and TARGET.read_text() == built else _outdated()
    TARGET.write_text(built)
    return 0


def text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _outdated() -> int:
    sys.stderr.write(f"{TARGET.name} is out of date: run `python -m local.openapi`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

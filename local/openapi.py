"""Writes functions/docs/openapi.json: `python -m local.openapi [--check]`."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

import functions
from shared.web.authentication import authenticated

TARGET = Path(functions.__path__[0]) / "docs" / "openapi.json"
DESCRIPTION = (
    "Sign up, submit a prompt, watch it live, fetch the picture. Live status comes over "
    "`/ws/tasks/{task_id}`; errors are problem+json (RFC 9457) with a stable `code`."
)
PROBLEM = {
    "type": "object",
    "title": "Problem",
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
PROBLEM_ANSWER = {
    "description": "What went wrong",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


# Errors of the gateway itself have its own form.
GATEWAY_ANSWER = {
    "description": "The address or the headers are too large",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["message"],
                "properties": {"message": {"type": "string"}},
            }
        }
    },
}

SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-access_token"},
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
    routes = _routes()
    schema = get_openapi(title="Lampwork", version="1", description=DESCRIPTION, routes=routes)
    for route in routes:
        for method in (route.methods or ()) if route.include_in_schema else ():
            operation = schema["paths"][route.path][method.lower()]
            operation["responses"].pop("422", None)
            operation["responses"] |= {"431": GATEWAY_ANSWER, "default": PROBLEM_ANSWER}
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _as_text_can_be(parameter["schema"])
            if _asks_who(route.dependant):
                operation["security"] = [{name: []} for name in SECURITY_SCHEMES]
    for (path, method, status), links in LINKS.items():
        schema["paths"][path][method]["responses"][status]["links"] = links
    components = schema["components"]
    components["securitySchemes"] = SECURITY_SCHEMES
    components["schemas"].pop("HTTPValidationError", None)
    components["schemas"].pop("ValidationError", None)
    components["schemas"]["Problem"] = PROBLEM
    return schema


def _routes() -> list[APIRoute]:
    modules = [
        import_module(found.name)
        for found in walk_packages(functions.__path__, "functions.")
        if not found.ispkg
    ]
    apps = [module.app for module in modules if hasattr(module, "app")]
    return [route for app in apps for route in app.routes]


def _as_text_can_be(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter may be missing, but is never null."""
    variants = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(variants) != 1:
        return schema
    others = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**others, **variants[0]}


def _asks_who(dependant: Dependant) -> bool:
    return dependant.call is authenticated or any(map(_asks_who, dependant.dependencies))


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

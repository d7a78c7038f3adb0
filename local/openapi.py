"""Writes functions/docs/openapi.json: `python -m local.openapi [--check]`."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from fastapi.openapi.utils import get_openapi

import functions

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


def build() -> dict[str, Any]:
    """One schema over the apps of all HTTP functions."""
    modules = [
        import_module(found.name)
        for found in walk_packages(functions.__path__, "functions.")
        if not found.ispkg
    ]
    routes = [route for module in modules if hasattr(module, "app") for route in module.app.routes]
    schema = get_openapi(title="Lampwork", version="1", description=DESCRIPTION, routes=routes)
    for path in schema["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = PROBLEM_ANSWER
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = PROBLEM
    return schema


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

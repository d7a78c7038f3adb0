from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from fastapi.routing import APIRoute

import functions
from tests.http import Answer, call


def request(method: str, path: str, *, token: str | None = None, **options: Any) -> Answer:
    """Invoke the function that has this route; `options` as for `http_event`."""
    headers = dict(options.pop("headers", {}))
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    address = f"/api/v1{path}"
    for route, handler in routes():
        if method in (route.methods or ()) and route.path_regex.match(address):
            return call(handler, method, address, headers=headers, **options)
    raise LookupError(f"No function has {method} {address}")


@cache
def routes() -> list[tuple[APIRoute, Any]]:
    """All routes; those without parameters come first, and the one of all paths last, as a gateway
    prefers them."""
    modules = [
        import_module(found.name)
        for found in walk_packages(functions.__path__, "functions.")
        if not found.ispkg
    ]
    found = [
        (route, module.handler)
        for module in modules
        for route in getattr(getattr(module, "app", None), "routes", ())
    ]
    return sorted(found, key=lambda each: ("{" in each[0].path, ":path" in each[0].path))

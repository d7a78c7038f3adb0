"""Every function with a route, live sockets and event streams as one application:
`uvicorn functions.asgi:app`.

It finds the functions by their modules, so a new endpoint is in it without being listed.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from fastapi import FastAPI

from shared.web.server.application import Application


def apps() -> Iterator[FastAPI]:
    """The application of each function that answers requests."""
    here = Path(__file__).parent
    for room in sorted(each.name for each in here.iterdir() if (each / "__init__.py").exists()):
        for module in iter_modules([str(here / room)]):
            found = getattr(import_module(f"functions.{room}.{module.name}"), "app", None)
            if isinstance(found, FastAPI):
                yield found


app = Application.of(apps())

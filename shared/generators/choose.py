"""From GENERATOR_URL to a generator."""

from collections.abc import Callable
from importlib import import_module
from typing import cast
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.generators.port import Generator

# By dotted name, so that only the chosen generator's libraries are loaded.
# Each is called with the URL.
GENERATORS = {
    "bedrock": "shared.generators.bedrock:from_url",
    "openai+http": "shared.generators.openai:from_url",
    "openai+https": "shared.generators.openai:from_url",
    "painter": "shared.generators.painter.painter:from_url",
}


def generator(url: str = "painter://") -> Generator:
    """The generator that `url` names by its scheme; `python:module:factory` names one of your own.

    Raises:
        SettingsError: no generator has this scheme.
    """
    split = urlsplit(url)
    name = split.path if split.scheme == "python" else GENERATORS.get(split.scheme)
    if name is None:  # the URL itself may hold a secret
        known = ", ".join(f"{scheme}://" for scheme in sorted(GENERATORS))
        raise SettingsError(f"GENERATOR_URL: no such generator; known are {known}")
    module, factory = name.split(":")
    return cast(Callable[[str], Generator], getattr(import_module(module), factory))(url)

"""Makes the generator that GENERATOR_URL names."""

from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from shared.generators.port import Generator
from shared.process.scheme_registry import SchemeRegistry, named

# Each is called with the URL.
GENERATORS = SchemeRegistry[Generator](
    "GENERATOR_URL",
    "generator",
    {
        "bedrock": "shared.generators.bedrock:from_url",
        "openai+http": "shared.generators.openai:from_url",
        "openai+https": "shared.generators.openai:from_url",
        "painter": "shared.generators.painter.painter:from_url",
    },
)


def generator(url: str = "painter://") -> Generator:
    """The generator that `url` names by its scheme; `python:module:factory` names one of your own.

    Raises:
        SettingsError: no generator has this scheme.
    """
    split = urlsplit(url)
    if split.scheme == "python":
        return cast(Callable[[str], Generator], named(split.path))(url)
    return GENERATORS.factory(split.scheme)(url)

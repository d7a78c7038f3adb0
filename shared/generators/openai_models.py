"""The requests of the models behind OpenAI's interface."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.errors import SettingsError
from shared.generators.port import GenerationParameters
from shared.generators.sizes import Size, covering, nearest
from shared.generators.wording import wording

RESPONSE_FORMATS = ("b64_json", "url", "none")
# The sizes that an unknown server most likely supports.
MULTIPLE = 64
SEEDS = 2**31


@dataclass(frozen=True)
class Model:
    name: str | None = None
    sizes: tuple[Size, ...] = ()
    response_format: str = "b64_json"
    has_seed: bool = True
    max_prompt_characters: int | None = None

    def request(self, prompt: str, parameters: GenerationParameters) -> dict[str, Any]:
        """The document that asks for one picture. Raises GenerationFailed."""
        width, height = self._size(parameters)
        in_words = None if self.has_seed else parameters.seed
        document = {
            "model": self.name,
            "prompt": wording(
                prompt, parameters.style, seed=in_words, max_characters=self.max_prompt_characters
            ),
            "n": 1,
            "size": f"{width}x{height}",
        }
        if self.response_format != "none":
            document["response_format"] = self.response_format
        if self.has_seed and parameters.seed is not None:
            document["seed"] = parameters.seed % SEEDS
        return {name: value for name, value in document.items() if value is not None}

    def _size(self, parameters: GenerationParameters) -> Size:
        if self.sizes:
            return nearest(self.sizes, parameters.width, parameters.height)
        return covering(parameters.width, parameters.height, multiple=MULTIPLE)


# https://platform.openai.com/docs/api-reference/images/create
FAMILIES = {
    "dall-e-2": Model(
        sizes=((256, 256), (512, 512), (1024, 1024)),
        has_seed=False,
        max_prompt_characters=1000,
    ),
    "dall-e-3": Model(
        sizes=((1024, 1024), (1792, 1024), (1024, 1792)),
        has_seed=False,
        max_prompt_characters=4000,
    ),
    "gpt-image": Model(
        sizes=((1024, 1024), (1536, 1024), (1024, 1536)),
        response_format="none",
        has_seed=False,
        max_prompt_characters=32000,
    ),
}


def model(given: Mapping[str, str]) -> Model:
    """The model that the parameters of a URL describe.

    Raises:
        SettingsError: a parameter is unknown, or its value is not allowed.
    """
    if given.keys() - {"model", "sizes", "response_format"}:
        raise SettingsError("GENERATOR_URL: its parameters are model, sizes and response_format")
    known = replace(_family(given.get("model", "")), name=given.get("model"))
    response_format = given.get("response_format", known.response_format)
    if response_format not in RESPONSE_FORMATS:
        raise SettingsError("GENERATOR_URL: response_format is b64_json, url or none")
    sizes = _sizes(given["sizes"]) if "sizes" in given else known.sizes
    return replace(known, sizes=sizes, response_format=response_format)


def _family(name: str) -> Model:
    own_name = name.rpartition("/")[2]  # a router writes the vendor before it
    known = (family for prefix, family in FAMILIES.items() if own_name.startswith(prefix))
    return next(known, Model())


def _sizes(text: str) -> tuple[Size, ...]:
    sizes = [re.fullmatch(r"([1-9]\d{1,3})x([1-9]\d{1,3})", size) for size in text.split(",")]
    if not all(sizes):
        raise SettingsError("GENERATOR_URL: sizes are written 1024x1024,1536x1024")
    return tuple((int(size[1]), int(size[2])) for size in sizes if size)

"""The requests and answers of the families of image models on Amazon Bedrock."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from shared.generators import failures
from shared.generators.fitting import decode_base64
from shared.generators.port import GenerationParameters
from shared.generators.sizes import Size, nearest, within
from shared.generators.wording import wording

# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-image.html
TITAN_SIZES = (
    *((1024, 1024), (768, 768), (512, 512)),
    *((768, 1152), (384, 576), (1152, 768), (576, 384)),
    *((768, 1280), (384, 640), (1280, 768), (640, 384)),
    *((896, 1152), (448, 576), (1152, 896), (576, 448)),
    *((768, 1408), (384, 704), (1408, 768), (704, 384)),
    *((640, 1408), (320, 704), (1408, 640), (704, 320)),
)
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-3-5-large.html
STABILITY_RATIOS = (
    *((21, 9), (16, 9), (3, 2), (5, 4), (1, 1)),
    *((4, 5), (2, 3), (9, 16), (9, 21)),
)
STABILITY_MAX_SEED = 4_294_967_294
STABILITY_MAX_CHARACTERS = 10_000


class Family(Protocol):
    def request(self, prompt: str, parameters: GenerationParameters) -> dict[str, Any]:
        """The document that asks for one picture. Raises GenerationFailed."""

    def picture(self, answer: Any) -> bytes:
        """The file in the model's answer. Raises GenerationFailed."""


@dataclass(frozen=True)
class AmazonImages:
    """Nova Canvas and Titan Image Generator.

    https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html
    """

    size: Callable[[int, int], Size]
    max_seed: int
    max_prompt_characters: int

    def request(self, prompt: str, parameters: GenerationParameters) -> dict[str, Any]:
        width, height = self.size(parameters.width, parameters.height)
        text = wording(prompt, parameters.style, max_characters=self.max_prompt_characters)
        return {
            "taskType": "TEXT_IMAGE",
            "textToImageParams": {"text": text},
            "imageGenerationConfig": {
                "numberOfImages": 1,
                "width": width,
                "height": height,
                "seed": _seed(parameters, self.max_seed),
            },
        }

    def picture(self, answer: Any) -> bytes:
        match answer:
            case {"images": [str(text), *_]}:
                return decode_base64(text)
            case {"error": str()}:  # how pictures that were made, but are withheld, are told
                raise failures.content_rejected("the picture was withheld")
            case _:
                raise failures.invalid_output("no picture in the answer")


class StabilityImages:
    """Stable Diffusion 3 and 3.5, Stable Image Core and Ultra."""

    def request(self, prompt: str, parameters: GenerationParameters) -> dict[str, Any]:
        across, down = nearest(STABILITY_RATIOS, parameters.width, parameters.height)
        return {
            "prompt": wording(prompt, parameters.style, max_characters=STABILITY_MAX_CHARACTERS),
            "aspect_ratio": f"{across}:{down}",
            "seed": _seed(parameters, STABILITY_MAX_SEED),
            "output_format": "png",
        }

    def picture(self, answer: Any) -> bytes:
        match answer:
            case {"finish_reasons": [str(reason), *_]} if reason.startswith("Filter"):
                raise failures.content_rejected(reason)
            case {"finish_reasons": [str(), *_]}:
                raise failures.unavailable("the model failed")
            case {"images": [str(text), *_]}:
                return decode_base64(text)
            case _:
                raise failures.invalid_output("no picture in the answer")


def family(model_id: str) -> Family | None:
    """The family of a model, by its id or that of an inference profile."""
    known = (made for pattern, made in FAMILIES.items() if re.search(pattern, model_id))
    return next(known, None)


def _seed(parameters: GenerationParameters, largest: int) -> int:
    # Without a seed, Amazon's models would make the same picture again and again.
    if parameters.seed is None:
        return secrets.randbelow(largest + 1)
    return parameters.seed % (largest + 1)


def _nova_size(width: int, height: int) -> Size:
    # https://docs.aws.amazon.com/nova/latest/userguide/image-gen-access.html: fewer than 4,194,304
    return within(width, height, multiple=16, min_side=320, max_ratio=4, max_pixels=4_194_304 - 1)


def _titan_size(width: int, height: int) -> Size:
    return nearest(TITAN_SIZES, width, height)


FAMILIES: dict[str, Family] = {
    r"\bamazon\.nova-canvas": AmazonImages(_nova_size, 858_993_459, 1024),
    r"\bamazon\.titan-image-generator": AmazonImages(_titan_size, 2_147_483_646, 512),
    r"\bstability\.(sd3|stable-image-core|stable-image-ultra)": StabilityImages(),
}

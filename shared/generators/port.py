"""The interface of every generator of pictures."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MIN_SIDE = 64
MAX_SIDE = 2048


class Style(StrEnum):
    PAINTING = "painting"
    WATERCOLOR = "watercolor"
    INK = "ink"
    NEON = "neon"
    MOSAIC = "mosaic"
    POSTER = "poster"


@dataclass(frozen=True)
class GenerationParameters:
    """How a picture is to be made; sides are in pixels.

    Raises:
        ValueError: a side is not within MIN_SIDE and MAX_SIDE.
    """

    width: int = 512
    height: int = 512
    style: Style = Style.PAINTING
    seed: int | None = None

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if not MIN_SIDE <= side <= MAX_SIDE:
                raise ValueError(f"A side is {MIN_SIDE} to {MAX_SIDE} pixels long, not {side}.")


@dataclass(frozen=True)
class Image:
    data: bytes
    content_type: str
    width: int
    height: int


Progress = Callable[[float], Awaitable[None]]


class Generator(Protocol):
    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        """Make one picture, and await `progress` with rising fractions, the last of them 1.0.

        An exception that `progress` raises ends the work and is raised here.

        Raises:
            GenerationFailed: there will be no picture.
        """
        ...


class GenerationFailed(Exception):
    """There is no picture. `code` and `message` may be shown to the client.

    `retry_after_seconds` is how long the next attempt should wait, where that is known.
    """

    def __init__(
        self, code: str, message: str, *, retryable: bool, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_seconds = retry_after_seconds

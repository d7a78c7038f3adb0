import asyncio
from typing import Protocol

from shared import settings
from shared.errors import SettingsError
from shared.generators import failures
from shared.generators.fitting import fit
from shared.generators.port import GenerationParameters, Image, Progress

# Providers report no progress, so these are the steps visible from here.
STARTED, RECEIVED, CONVERTED = 0.05, 0.9, 1.0


class Provider(Protocol):
    async def picture(self, prompt: str, parameters: GenerationParameters) -> bytes:
        """A PNG, JPEG or WebP file of about the size asked for. Raises GenerationFailed."""


class RemoteGenerator:
    """Lets a provider make the picture, and fits it to what was asked for."""

    def __init__(self, provider: Provider, *, timeout_seconds: float) -> None:
        self._provider = provider
        self._timeout_seconds = timeout_seconds

    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        await progress(STARTED)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                data = await self._provider.picture(prompt, parameters)
        except TimeoutError:
            raise failures.unavailable("no picture in time") from None
        await progress(RECEIVED)
        image = await fit(data, parameters.width, parameters.height)
        await progress(CONVERTED)
        return image


def api_key() -> str | None:
    """The API key of the settings.

    Raises:
        SettingsError: it cannot be sent in a header.
    """
    secret = settings.generator().api_key
    key = secret.get_secret_value().strip() if secret else ""
    if not (key.isascii() and key.isprintable()):
        raise SettingsError("GENERATOR_API_KEY: it contains characters that a header cannot hold")
    return key or None

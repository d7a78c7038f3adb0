import json
import re
from http import HTTPStatus

import httpx

from shared import settings
from shared.errors import SettingsError
from shared.generators import failures
from shared.generators.fitting import decode_base64, parse_json
from shared.generators.openai_models import Model, model
from shared.generators.port import GenerationFailed, GenerationParameters
from shared.generators.remote import RemoteGenerator, api_key
from shared.generators.transport import Answer, Transport

REJECTIONS = {
    "content_filter",
    "content_moderation",
    "content_policy_violation",
    "moderation_blocked",
    "ResponsibleAIPolicyViolation",
    "contentFilter",
}
REJECTION = re.compile(r"safety system|content[ _](polic|filter|moderation)", re.IGNORECASE)
UNPAID = {"billing_hard_limit_reached", "insufficient_quota"}
HARMLESS = re.compile(r"[\w.-]{1,64}")


class OpenAiImages:
    """Any server with OpenAI's `POST /images/generations`."""

    def __init__(self, transport: Transport, endpoint: str, model: Model, key: str | None) -> None:
        self._transport = transport
        self._url = f"{endpoint.rstrip('/')}/images/generations"
        self._model = model
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    async def picture(self, prompt: str, parameters: GenerationParameters) -> bytes:
        body = json.dumps(self._model.request(prompt, parameters)).encode()
        answer = await self._transport.post(self._url, body, self._headers)
        if answer.status != HTTPStatus.OK:
            raise _failure(answer)
        match parse_json(answer.body):
            case {"data": [{"b64_json": str(text)}, *_]}:
                return decode_base64(text)
            case {"data": [{"url": str(url)}, *_]}:
                return await self._transport.fetch(url)
            case _:
                raise _failure(answer)


def from_url(url: str) -> RemoteGenerator:
    """The generator behind `openai+https://host/v1?model=…`; docs/generators.md has the rest.

    Raises:
        SettingsError: the URL holds a password, or an unknown parameter.
    """
    parsed = _parse(url.removeprefix("openai+"))
    endpoint = str(parsed.copy_with(query=None, fragment=None))
    timeout_seconds = settings.generator().timeout_seconds
    transport = Transport(endpoint, timeout_seconds=timeout_seconds)
    provider = OpenAiImages(transport, endpoint, model(parsed.params), api_key())
    return RemoteGenerator(provider, timeout_seconds=timeout_seconds)


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise SettingsError("GENERATOR_URL: this is not a URL") from None
    if parsed.userinfo:
        raise SettingsError("GENERATOR_URL: the key belongs to GENERATOR_API_KEY")
    if not parsed.host:
        raise SettingsError("GENERATOR_URL: a host is missing")
    return parsed


def _failure(answer: Answer) -> GenerationFailed:
    """What an answer without a picture means.

    The server's own message is not passed on: it may repeat the prompt.
    """
    code, message = _error(answer.body)
    named = f" {code}" if HARMLESS.fullmatch(code) else ""
    reason = f"HTTP {answer.status}{named}"
    if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        if code in REJECTIONS or REJECTION.search(message):
            return failures.content_rejected(reason)
        if code in UNPAID:
            return failures.misconfigured(reason)
    if answer.status == HTTPStatus.OK:
        return failures.invalid_output(reason)
    return failures.of_status(
        answer.status, reason, retry_after_seconds=_seconds(answer.headers.get("retry-after"))
    )


def _error(body: bytes) -> tuple[str, str]:
    """The code and the message of an error, as far as it has them."""
    match parse_json(body):
        case {"error": dict(error)}:
            return str(error.get("code") or error.get("type") or ""), str(error.get("message"))
        case {"error": str(message)}:
            return "", message
        case _:
            return "", ""


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and re.fullmatch(r"\d{1,6}", retry_after) else None

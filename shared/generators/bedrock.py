import asyncio
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit

import boto3
from botocore.exceptions import BotoCoreError

from shared import settings
from shared.clients.sigv4 import Signer
from shared.errors import SettingsError
from shared.generators import failures
from shared.generators.bedrock_models import Family, family
from shared.generators.fitting import parse_json
from shared.generators.port import GenerationFailed, GenerationParameters
from shared.generators.remote import RemoteGenerator, api_key
from shared.generators.transport import Answer, Transport

REJECTION = re.compile(r"content filter|responsible ai", re.IGNORECASE)


class Signature:
    """Signs a request as boto3's `bedrock-runtime` does."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def headers(self, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers, with those that authenticate the request added. Raises GenerationFailed."""
        try:  # in a thread: credentials that have run out are fetched anew
            return await asyncio.to_thread(self._signer.sign, "POST", url, dict(headers), body)
        except BotoCoreError as error:
            raise failures.misconfigured(type(error).__name__) from None


class BearerToken:
    """Sends a Bedrock API key instead of signing."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def headers(self, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        return {**headers, "Authorization": f"Bearer {self._key}"}


class BedrockModel:
    """A model on Amazon Bedrock, called as boto3's `invoke_model` does.

    boto3 itself is not used: it has no time limit for a whole call, reads an answer of any size,
    and a thread that waits in it cannot be stopped, whereas a cancelled task must close its
    connection. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
    """

    def __init__(
        self,
        transport: Transport,
        endpoint: str,
        model_id: str,
        model_family: Family,
        authorization: Signature | BearerToken,
    ) -> None:
        self._transport = transport
        self._url = f"{endpoint.rstrip('/')}/model/{quote(model_id, safe='')}/invoke"
        self._family = model_family
        self._authorization = authorization

    async def picture(self, prompt: str, parameters: GenerationParameters) -> bytes:
        body = json.dumps(self._family.request(prompt, parameters)).encode()
        plain = {"Accept": "application/json", "Content-Type": "application/json"}
        headers = await self._authorization.headers(self._url, body, plain)
        answer = await self._transport.post(self._url, body, headers)
        if answer.status != HTTPStatus.OK:
            raise _failure(answer)
        return self._family.picture(parse_json(answer.body))


def from_url(url: str) -> RemoteGenerator:
    """The generator behind `bedrock://region/model-id`, at the endpoint boto3 would use.

    Raises:
        SettingsError: the family of the model is not known here, or there are no credentials.
    """
    split = urlsplit(url)
    region, model_id = split.netloc, unquote(split.path.removeprefix("/"))
    model_family = family(model_id)
    if not re.fullmatch(r"[a-z0-9-]+", region) or model_family is None:
        raise SettingsError(
            "GENERATOR_URL: bedrock://region/model-id, with a model of Nova Canvas, Titan Image "
            "Generator, Stable Diffusion 3 or Stable Image"
        )
    endpoint = boto3.client("bedrock-runtime", region_name=region).meta.endpoint_url
    timeout_seconds = settings.generator().timeout_seconds
    transport = Transport(endpoint, timeout_seconds=timeout_seconds)
    authorization = _authorization(region)
    provider = BedrockModel(transport, endpoint, model_id, model_family, authorization)
    return RemoteGenerator(provider, timeout_seconds=timeout_seconds)


def _authorization(region: str) -> Signature | BearerToken:
    if key := api_key():
        return BearerToken(key)
    return Signature(Signer.of_process("bedrock", region=region))


def _failure(answer: Answer) -> GenerationFailed:
    """What an answer without a picture means. Its message is not used: it may repeat the prompt."""
    error = answer.headers.get("x-amzn-errortype", "").partition(":")[0]
    reason = f"HTTP {answer.status} {error if error.isalnum() else ''}".rstrip()
    document = parse_json(answer.body)
    message = str(document.get("message")) if isinstance(document, dict) else ""
    if error == "ServiceQuotaExceededException":
        return failures.rate_limited(reason)
    if answer.status == HTTPStatus.BAD_REQUEST and REJECTION.search(message):
        return failures.content_rejected(reason)
    return failures.of_status(answer.status, reason)

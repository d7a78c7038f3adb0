import asyncio
from typing import Any

import boto3
import pytest
import time_machine
from botocore.credentials import Credentials
from botocore.exceptions import CredentialRetrievalError

from shared.clients.sigv4 import Signer
from shared.errors import SettingsError
from shared.generators import bedrock
from shared.generators.port import GenerationFailed, GenerationParameters, Image, Style
from shared.generators.registry import generator
from shared.singletons import forget_singletons
from tests.providers import Asked, answers, base64_text, picture_file, providing

PICTURE = {"images": [base64_text(picture_file(64, 64))], "finish_reasons": [None]}
LAMP = GenerationParameters(320, 200, Style.INK, seed=7)
NOVA = "amazon.nova-canvas-v1:0"
TITAN = "amazon.titan-image-generator-v2:0"
ULTRA = "stability.stable-image-ultra-v1:1"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("GENERATOR_TIMEOUT_SECONDS", "5")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # botocore keeps what it finds first
    forget_singletons()
    return monkeypatch


async def unwatched(fraction: float) -> None:
    pass


async def generate(
    origin: str, model_id: str = NOVA, prompt: str = "a lamp", **parameters: Any
) -> Image:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", origin)
        chosen = generator(f"bedrock://us-east-1/{model_id}")
    wanted = GenerationParameters(**{**vars(LAMP), **parameters})
    return await chosen.generate(prompt, wanted, unwatched)


async def asked(model_id: str, **parameters: Any) -> Asked:
    async with providing(answers(200, PICTURE)) as provider:
        await generate(provider.origin, model_id, **parameters)
    return provider.asked[0]


async def failure(
    status: int, body: object, model_id: str = NOVA, **headers: str
) -> GenerationFailed:
    async with providing(answers(status, body, **headers)) as provider:
        with pytest.raises(GenerationFailed) as raised:
            await generate(provider.origin, model_id)
    return raised.value


@pytest.mark.parametrize(
    "model_id", [NOVA, "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us." + ULTRA]
)
async def test_a_call_is_the_one_that_boto3_would_send(model_id):
    with time_machine.travel("2026-04-21T15:08:21Z", tick=False):
        async with providing(answers(200, PICTURE)) as provider:
            await generate(provider.origin, model_id)
            client = boto3.client("bedrock-runtime", "us-east-1", endpoint_url=provider.origin)
            answer = await asyncio.to_thread(
                client.invoke_model,
                modelId=model_id,
                body=provider.asked[0].body,
                accept="application/json",
                contentType="application/json",
            )
            answer["body"].close()
            client.close()

    ours, boto3s = provider.asked
    assert ours.path == boto3s.path
    assert ours.headers["x-amz-security-token"] == boto3s.headers["x-amz-security-token"]
    assert ours.headers["authorization"] == boto3s.headers["authorization"]


async def test_an_api_key_of_bedrock_is_sent_instead_of_a_signature(settings):
    settings.setenv("GENERATOR_API_KEY", "bedrock-key")
    forget_singletons()

    request = await asked(NOVA)

    assert request.headers["authorization"] == "Bearer bedrock-key"
    assert "x-amz-security-token" not in request.headers


@pytest.mark.parametrize(
    ("model_id", "size"), [(NOVA, (512, 320)), (TITAN, (640, 384)), (f"us.{NOVA}", (512, 320))]
)
async def test_amazons_models_get_requests_in_their_format(model_id, size):
    request = await asked(model_id)

    assert request.document == {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": "a lamp\n\nStyle: an ink drawing."},
        "imageGenerationConfig": {
            "numberOfImages": 1,
            "width": size[0],
            "height": size[1],
            "seed": 7,
        },
    }


@pytest.mark.parametrize("model_id", [ULTRA, "stability.sd3-5-large-v1:0"])
async def test_stabilitys_models_get_requests_in_their_format(model_id):
    request = await asked(model_id)

    assert request.document == {
        "prompt": "a lamp\n\nStyle: an ink drawing.",
        "aspect_ratio": "3:2",
        "seed": 7,
        "output_format": "png",
    }


@pytest.mark.parametrize("model_id", [NOVA, TITAN, ULTRA])
async def test_a_seed_is_reduced_to_the_models_range_and_drawn_if_there_is_none(model_id):
    def seed(request: Asked) -> int:
        document = request.document
        drawn: int = document.get("imageGenerationConfig", document)["seed"]
        return drawn

    largest = seed(await asked(model_id, seed=2**63 - 1))
    drawn = {seed(await asked(model_id, seed=None)) for _ in range(3)}

    assert largest < 2**32
    assert len(drawn) > 1


@pytest.mark.parametrize(
    "filtered",
    [
        (400, {"message": "This request has been blocked by our content filters."}, NOVA),
        (400, {"message": "It may conflict with AWS Responsible AI Policy."}, TITAN),
        (200, {"images": [], "error": "All images were withheld."}, NOVA),
        (200, {"finish_reasons": ["Filter reason: prompt"]}, ULTRA),
        (200, {"finish_reasons": ["Filter reason: output image"], "images": [""]}, ULTRA),
    ],
)
async def test_a_prompt_that_the_model_refuses_is_reported_as_refused(filtered):
    failed = await failure(*filtered)

    assert (failed.code, failed.retryable) == ("content_rejected", False)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (429, "ThrottlingException", "rate_limited"),
        (400, "ServiceQuotaExceededException", "rate_limited"),
        (408, "ModelTimeoutException", "generator_unavailable"),
        (424, "ModelErrorException", "generator_unavailable"),
        (403, "AccessDeniedException", "generator_misconfigured"),
        (404, "ResourceNotFoundException", "generator_misconfigured"),
        (400, "ValidationException", "generator_misconfigured"),
    ],
)
async def test_the_message_for_an_error_of_bedrock_says_what_can_be_done(status, error, code):
    header = f"{error}:http://internal.amazon.com/coral/com.amazon.bedrock/"

    failed = await failure(status, {"message": "No."}, x_amzn_ErrorType=header)

    assert failed.code == code


async def test_a_failure_of_the_model_is_retryable():
    failed = await failure(200, {"finish_reasons": ["Inference error"]}, ULTRA)

    assert (failed.code, failed.retryable) == ("generator_unavailable", True)


async def test_a_prompt_too_long_for_the_model_is_refused_before_it_is_sent():
    async with providing(answers(200, PICTURE)) as provider:
        with pytest.raises(GenerationFailed, match="488 characters") as raised:
            await generate(provider.origin, TITAN, prompt="x" * 500)

    assert raised.value.code == "prompt_too_long"
    assert provider.asked == []


async def test_missing_credentials_are_reported_as_a_problem_of_the_operator():
    class Unreachable(Credentials):
        def get_frozen_credentials(self) -> Any:
            raise CredentialRetrievalError(provider="sso", error_msg="expired")

    expired = Unreachable("AKIDEXAMPLE", "secret")
    signature = bedrock.Signature(Signer("bedrock", "us-east-1", expired.get_frozen_credentials))

    with pytest.raises(GenerationFailed) as raised:
        await signature.headers("https://host/", b"", {})

    assert raised.value.code == "generator_misconfigured"


@pytest.mark.parametrize(
    "url",
    [
        "bedrock://us-east-1/anthropic.claude-v2",
        "bedrock://us-east-1/stability.stable-diffusion-xl-v1",
        "bedrock://us-east-1/",
        f"bedrock:///{NOVA}",
        f"bedrock://key:hunter2@us-east-1/{NOVA}",
    ],
)
def test_an_invalid_url_is_refused_without_repeating_it(url):
    with pytest.raises(SettingsError, match="GENERATOR_URL") as refused:
        generator(url)

    assert "hunter2" not in str(refused.value)

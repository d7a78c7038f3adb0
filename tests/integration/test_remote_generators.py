"""What every generator over HTTP does, whatever its provider and however that behaves."""

import asyncio
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image as Pictures

from shared.generators.port import GenerationFailed, GenerationParameters, Image, Progress
from shared.generators.registry import generator
from shared.singletons import forget_singletons
from tests.providers import (
    Behaviour,
    answers,
    babbles,
    base64_text,
    breaks_off,
    drips,
    hangs,
    picture_file,
    pours,
    providing,
    resets,
)

WIDE = GenerationParameters(320, 200, seed=7)
PROMPT = "a very private prompt"


@dataclass(frozen=True)
class Adapter:
    url: Callable[[str], str]
    answer: Callable[[Any], dict[str, Any]]


ADAPTERS = {
    "openai": Adapter(
        url=lambda origin: f"openai+{origin}/v1?model=dall-e-3",
        answer=lambda text: {"data": [{"b64_json": text}]},
    ),
    "bedrock": Adapter(
        url=lambda origin: "bedrock://us-east-1/amazon.nova-canvas-v1:0",
        answer=lambda text: {"images": [text]},
    ),
}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Adapter:
    variables = {
        "GENERATOR_TIMEOUT_SECONDS": "5",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "very-secret",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    forget_singletons()
    return ADAPTERS[request.param]


async def generate(
    adapter: Adapter, behaviour: Behaviour, parameters: GenerationParameters = WIDE
) -> Image:
    async with providing(behaviour) as provider:
        return await ask(adapter, provider.origin, parameters)


async def unwatched(fraction: float) -> None:
    pass


async def ask(
    adapter: Adapter,
    origin: str,
    parameters: GenerationParameters = WIDE,
    progress: Progress = unwatched,
) -> Image:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", origin)
        chosen = generator(adapter.url(origin))
    return await chosen.generate(PROMPT, parameters, progress)


async def failure(adapter: Adapter, behaviour: Behaviour) -> GenerationFailed:
    with pytest.raises(GenerationFailed) as raised:
        await generate(adapter, behaviour)
    return raised.value


def opened(image: Image) -> Pictures.Image:
    picture = Pictures.open(io.BytesIO(image.data))
    picture.load()
    return picture


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(320, 200), (1792, 1024), (100, 900), (1, 1)])
async def test_any_picture_becomes_a_png_of_the_requested_size(adapter, kind, size):
    body = adapter.answer(base64_text(picture_file(size[0], size[1], kind)))

    image = await generate(adapter, answers(200, body))

    picture = opened(image)
    assert (picture.format, picture.size) == ("PNG", (320, 200))
    assert (image.content_type, image.width, image.height) == ("image/png", 320, 200)


async def test_a_picture_of_other_proportions_is_cropped_to_its_middle_and_not_squeezed(adapter):
    body = adapter.answer(base64_text(picture_file(1792, 1024)))

    tall = await generate(adapter, answers(200, body), GenerationParameters(100, 200))

    picture = opened(tall)
    assert picture.getpixel((10, 100)) == (255, 0, 0)
    assert picture.getpixel((90, 100)) == (0, 0, 255)


async def test_transparent_pixels_stay_transparent(adapter):
    body = adapter.answer(base64_text(picture_file(64, 64, mode="RGBA")))

    assert opened(await generate(adapter, answers(200, body))).mode == "RGBA"


async def test_progress_reports_each_step(adapter):
    reported: list[float] = []
    body = adapter.answer(base64_text(picture_file(64, 64)))

    async def tell(fraction: float) -> None:
        reported.append(fraction)

    async with providing(answers(200, body)) as provider:
        await ask(adapter, provider.origin, progress=tell)

    assert reported == [0.05, 0.9, 1.0]


@pytest.mark.parametrize(
    ("behaviour", "code", "retryable"),
    [
        (resets, "generator_unavailable", True),
        (breaks_off, "generator_unavailable", True),
        (babbles, "generator_unavailable", True),
        (answers(500, b"<html>Oops</html>"), "generator_unavailable", True),
        (answers(503), "generator_unavailable", True),
        (answers(408), "generator_unavailable", True),
        (answers(429), "rate_limited", True),
        (answers(401, {"error": {"code": "invalid_api_key"}}), "generator_misconfigured", False),
        (answers(403), "generator_misconfigured", False),
        (answers(404), "generator_misconfigured", False),
        (answers(400, {"message": "width"}), "generator_misconfigured", False),
        (answers(307, Location="http://127.0.0.1:1/"), "generator_misconfigured", False),
        (pours, "invalid_output", False),
        (answers(200, b"<html>Sign in</html>"), "invalid_output", False),
        (answers(200, b'{"data": ['), "invalid_output", False),
        (answers(200, b"[" * 100_000), "invalid_output", False),
        (answers(200, b"\xff\xfe"), "invalid_output", False),
        (answers(200, []), "invalid_output", False),
        (answers(200, {"data": [], "images": []}), "invalid_output", False),
        (answers(200, {"data": [None], "images": [None]}), "invalid_output", False),
        (answers(200, b"\x1f\x8b\x08", Content_Encoding="gzip"), "invalid_output", False),
    ],
)
async def test_a_misbehaving_provider_fails_the_task_with_a_message_of_the_product(
    adapter, behaviour, code, retryable
):
    failed = await failure(adapter, behaviour)

    assert (failed.code, failed.retryable) == (code, retryable)


@pytest.mark.parametrize(
    "text",
    [
        "!!!",
        "",
        base64_text(b"<html>"),
        base64_text(picture_file(64, 64)[:80]),
        base64_text(picture_file(64, 64, "BMP")),
        base64_text(picture_file(4200, 4200)),
    ],
)
async def test_a_result_that_is_no_picture_is_refused(adapter, text):
    failed = await failure(adapter, answers(200, adapter.answer(text)))

    assert (failed.code, failed.retryable) == ("invalid_output", False)


@pytest.mark.parametrize("behaviour", [hangs, drips])
async def test_a_provider_that_takes_too_long_is_given_up(adapter, behaviour, monkeypatch):
    monkeypatch.setenv("GENERATOR_TIMEOUT_SECONDS", "0.3")
    forget_singletons()

    async with providing(behaviour) as provider:
        with pytest.raises(GenerationFailed) as raised:
            await ask(adapter, provider.origin)
        await asyncio.wait_for(provider.was_left.wait(), 20)

    assert (raised.value.code, raised.value.retryable) == ("generator_unavailable", True)


@pytest.mark.parametrize("behaviour", [hangs, drips])
async def test_a_cancelled_task_closes_its_connection(adapter, behaviour):
    async with providing(behaviour) as provider:
        working = asyncio.create_task(ask(adapter, provider.origin))
        await asyncio.wait_for(provider.was_asked.wait(), 20)

        working.cancel()

        with pytest.raises(asyncio.CancelledError):
            await working
        await asyncio.wait_for(provider.was_left.wait(), 20)


async def test_an_unreachable_provider_is_a_retryable_failure(adapter):
    async with providing(hangs) as provider:
        pass

    with pytest.raises(GenerationFailed) as raised:
        await ask(adapter, provider.origin)

    assert (raised.value.code, raised.value.retryable) == ("generator_unavailable", True)


async def test_no_proxy_is_used_for_an_address_that_was_checked(adapter, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    image = await generate(adapter, answers(200, adapter.answer(base64_text(picture_file(64, 64)))))

    assert (image.width, image.height) == (320, 200)


async def test_neither_prompt_nor_secret_nor_message_of_the_provider_is_shown(
    adapter, monkeypatch, caplog
):
    monkeypatch.setenv("GENERATOR_API_KEY", "sk-very-secret")
    forget_singletons()
    caplog.set_level(logging.INFO)
    body = {"error": {"message": f"no: {PROMPT}", "code": "x\ny"}, "message": PROMPT}

    failed = await failure(adapter, answers(401, body))

    written = " ".join(str(vars(record)) for record in caplog.records)
    assert "HTTP 401" in written
    assert PROMPT not in written + failed.message
    assert "very-secret" not in written + failed.message
    assert "127.0.0.1" not in written + failed.message


async def test_an_error_raised_by_progress_ends_the_work(adapter):
    class OverError(Exception):
        pass

    async def over(fraction: float) -> None:
        raise OverError

    async with providing(hangs) as provider:
        with pytest.raises(OverError):
            await ask(adapter, provider.origin, progress=over)

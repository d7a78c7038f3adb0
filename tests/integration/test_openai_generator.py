import ssl
from typing import Any

import pytest
import trustme

from shared.errors import SettingsError
from shared.generators.port import GenerationFailed, GenerationParameters, Image, Style
from shared.generators.registry import generator
from shared.generators.transport import Transport
from shared.singletons import forget_singletons
from tests.providers import Asked, answers, base64_text, picture_file, providing

PICTURE = {"data": [{"b64_json": base64_text(picture_file(64, 64))}]}
LAMP = GenerationParameters(320, 200, Style.INK, seed=7)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("GENERATOR_TIMEOUT_SECONDS", "5")
    forget_singletons()
    return monkeypatch


async def unwatched(fraction: float) -> None:
    pass


async def generate(
    origin: str, query: str = "?model=dall-e-3", prompt: str = "a lamp", **parameters: Any
) -> Image:
    wanted = GenerationParameters(**{**vars(LAMP), **parameters})
    return await generator(f"openai+{origin}/v1{query}").generate(prompt, wanted, unwatched)


async def asked(query: str, **parameters: Any) -> Asked:
    async with providing(answers(200, PICTURE)) as provider:
        await generate(provider.origin, query, **parameters)
    return provider.asked[0]


async def failure(status: int, body: object, **headers: str) -> GenerationFailed:
    async with providing(answers(status, body, **headers)) as provider:
        with pytest.raises(GenerationFailed) as raised:
            await generate(provider.origin)
    return raised.value


async def test_a_model_of_openai_gets_a_size_it_makes_and_the_rest_in_the_prompt():
    request = await asked("?model=dall-e-3")

    assert (request.method, request.path) == ("POST", "/v1/images/generations")
    assert request.document == {
        "model": "dall-e-3",
        "prompt": "a lamp\n\nStyle: an ink drawing. Variation 7.",
        "n": 1,
        "size": "1792x1024",
        "response_format": "b64_json",
    }


async def test_gpt_image_gets_no_format_because_it_refuses_one():
    request = await asked("?model=openai/gpt-image-1.5", width=500, height=700)

    assert request.document["size"] == "1024x1536"
    assert "response_format" not in request.document


async def test_a_server_of_ones_own_gets_a_size_it_can_make_and_the_seed():
    request = await asked("?model=flux")

    assert (request.document["size"], request.document["seed"]) == ("320x256", 7)
    assert request.document["prompt"] == "a lamp\n\nStyle: an ink drawing."


async def test_a_seed_of_any_length_is_reduced_to_the_range_servers_take():
    assert (await asked("?model=flux", seed=2**63 - 1)).document["seed"] == 2**31 - 1


async def test_settings_of_a_model_in_the_url_are_used():
    request = await asked("?model=x&sizes=512x512,1024x576&response_format=none")

    assert request.document["size"] == "1024x576"
    assert "response_format" not in request.document


async def test_a_server_with_one_model_needs_no_model_name():
    assert "model" not in (await asked("")).document


async def test_the_key_is_sent_in_the_header_alone(settings):
    settings.setenv("GENERATOR_API_KEY", " sk-lamp\n")
    forget_singletons()

    request = await asked("?model=dall-e-3")

    assert request.headers["authorization"] == "Bearer sk-lamp"
    assert b"sk-lamp" not in request.body


async def test_without_a_key_none_is_sent():
    assert "authorization" not in (await asked("?model=dall-e-3")).headers


@pytest.mark.parametrize(
    "error",
    [
        {"code": "content_policy_violation", "message": "No."},
        {"code": "moderation_blocked", "type": "image_generation_user_error"},
        {"code": None, "message": "Your request was rejected by the safety system."},
        "This request has been blocked by our content filters.",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403])
async def test_a_prompt_that_the_provider_refuses_is_reported_as_refused(status, error):
    failed = await failure(status, {"error": error})

    assert (failed.code, failed.retryable) == ("content_rejected", False)


@pytest.mark.parametrize(
    ("header", "seconds"), [("17", 17), ("soon", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
)
async def test_a_busy_provider_may_say_when_to_come_back(header, seconds):
    failed = await failure(429, {"error": {"code": "rate_limit_exceeded"}}, Retry_After=header)

    assert (failed.code, failed.retry_after_seconds) == ("rate_limited", seconds)


async def test_an_unpaid_bill_is_reported_as_a_problem_of_the_operator():
    failed = await failure(429, {"error": {"code": "insufficient_quota", "message": "Pay."}})

    assert (failed.code, failed.retryable) == ("generator_misconfigured", False)


async def test_a_prompt_too_long_for_the_model_is_refused_before_it_is_sent():
    async with providing(answers(200, PICTURE)) as provider:
        with pytest.raises(GenerationFailed, match="976 characters") as raised:
            await generate(provider.origin, "?model=dall-e-2", prompt="x" * 990, seed=None)

    assert raised.value.code == "prompt_too_long"
    assert provider.asked == []


async def test_a_result_on_the_providers_own_server_is_fetched_without_the_key(settings):
    settings.setenv("GENERATOR_API_KEY", "sk-lamp")
    forget_singletons()

    async def behave(request: Asked, writer: Any) -> None:
        body = picture_file(64, 64) if request.method == "GET" else {"data": [{"url": "/pic"}]}
        await answers(200, body)(request, writer)

    async with providing(behave) as provider:
        image = await generate(provider.origin, "?model=dall-e-3&response_format=url")

    assert (image.width, image.height) == (320, 200)
    assert provider.asked[0].document["response_format"] == "url"
    assert provider.asked[1].path == "/pic"
    assert "authorization" not in provider.asked[1].headers


async def test_a_redirected_result_is_fetched_from_the_other_server_under_its_own_name():
    async with providing(answers(200, picture_file(64, 64))) as store:
        address = store.origin.replace("127.0.0.1", "localhost") + "/a%20b?signature=c%2Fd"
        async with providing(answers(302, Location=address)) as hop:
            body = {"data": [{"url": f"{hop.origin}/pic"}]}
            async with providing(answers(200, body)) as provider:
                await generate(provider.origin)

    assert store.asked[0].path == "/a%20b?signature=c%2Fd"
    assert store.asked[0].headers["host"] == address.split("/")[2]


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/pic",
        "http://169.254.169.254/latest/meta-data/",
        "https://[fd00::1]/pic",
        "https://100.64.0.1/pic",
        "https://[::ffff:10.0.0.1]/pic",
        "https://[64:ff9b::a00:1]/pic",
        "file:///etc/passwd",
        "https://",
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
async def test_a_result_in_a_private_network_is_not_fetched(url, redirected):
    async with providing(answers(302, Location=url)) as hop:
        body = {"data": [{"url": f"{hop.origin}/pic" if redirected else url}]}
        failed = await failure(200, body)

    assert (failed.code, failed.retryable) == ("invalid_output", False)


@pytest.mark.parametrize("url", ["https://[", "data:image/png;base64,AAAA", "https://\ud800/"])
@pytest.mark.parametrize("redirected", [False, True])
async def test_a_result_with_an_invalid_url_fails_like_any_other(url, redirected):
    async with providing(answers(302, Location=url.encode("ascii", "replace").decode())) as hop:
        body = {"data": [{"url": f"{hop.origin}/pic" if redirected else url}]}
        failed = await failure(200, body)

    assert failed.code in {"invalid_output", "generator_unavailable"}


async def test_a_result_is_fetched_without_tls_from_this_machine_alone(caplog):
    transport = Transport("https://api.example.com/v1", timeout_seconds=5)

    with pytest.raises(GenerationFailed) as raised:
        await transport.fetch("http://192.0.0.9/pic")  # a public address

    assert raised.value.code == "invalid_output"
    assert [vars(record)["reason"] for record in caplog.records] == ["a result without TLS"]


async def test_a_result_that_redirects_in_circles_is_given_up():
    async def behave(request: Asked, writer: Any) -> None:
        if request.method == "GET":
            await answers(302, Location="/pic")(request, writer)
        else:
            await answers(200, {"data": [{"url": "/pic"}]})(request, writer)

    async with providing(behave) as provider:
        with pytest.raises(GenerationFailed) as raised:
            await generate(provider.origin)

    assert raised.value.code == "invalid_output"
    assert len(provider.asked) == 5


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "invalid_output"), (403, "invalid_output"), (500, "generator_unavailable")],
)
async def test_a_missing_result_is_reported(status, code):
    async with providing(answers(status)) as store:
        failed = await failure(200, {"data": [{"url": f"{store.origin}/pic"}]})

    assert failed.code == code


async def test_certificates_are_checked_for_the_name_in_the_url(settings, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    settings.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    right, wrong = (_server_context(authority, name) for name in ("localhost", "elsewhere.test"))

    async with (
        providing(answers(200, picture_file(64, 64)), right) as store,
        providing(answers(200, picture_file(64, 64)), wrong) as impostor,
    ):
        good, bad = ({"data": [{"url": f"{each.origin}/pic"}]} for each in (store, impostor))
        async with providing(answers(200, good), right) as provider:
            assert (await generate(provider.origin)).width == 320
        async with providing(answers(200, bad), right) as provider:
            with pytest.raises(GenerationFailed) as raised:
                await generate(provider.origin)

    assert raised.value.code == "generator_unavailable"
    assert impostor.asked == []


def _server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize(
    "url",
    [
        "openai+https://user:hunter2@host/v1",
        "openai+https:///v1",
        "openai+https://host/v1?modle=hunter2",
        "openai+https://host:hunter2/v1",
        "openai+https://host/v1?sizes=hunter2",
        "openai+https://host/v1?sizes=00x00",
        "openai+https://host/v1?response_format=hunter2",
    ],
)
def test_an_invalid_url_is_refused_without_repeating_it(url):
    with pytest.raises(SettingsError, match="GENERATOR_URL") as refused:
        generator(url)

    assert "hunter2" not in str(refused.value)


def test_a_key_that_fits_in_no_header_is_refused_without_repeating_it(settings):
    settings.setenv("GENERATOR_API_KEY", "hunter2\nX: y")
    forget_singletons()

    with pytest.raises(SettingsError, match="GENERATOR_API_KEY") as refused:
        generator("openai+https://host/v1")

    assert "hunter2" not in str(refused.value)

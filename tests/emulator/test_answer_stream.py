"""What passes between a function that streams and whoever reads it."""

import asyncio
import json

import pytest

from lampwork.events.http_api import MalformedResponse
from lampwork.events.streamed_answers import rest_head, split_prelude, url_head
from lampwork.invocation.answer_stream import HIGH_WATER, AnswerStream
from lampwork.invocation.prelude import PRELUDE_END, WITH_PRELUDE, whole_answer
from lampwork.invocation.streamed_call import StreamBroken, StreamedCall
from lampwork.invocation.timed_call import IntegrationTimeout
from lampwork.stack.model import Function
from tests.emulator.fakes import FakeInvoker
from tests.emulator.runtime_fixtures import function, running
from tests.emulator.stacks import read_text


async def test_a_reader_gets_all_pieces_in_their_order_and_then_the_end():
    stream = AnswerStream()
    stream.begin("text/plain")
    for piece in (b"one", b"", b"two"):
        stream.write(piece)
    stream.end()

    assert [await stream.piece() for _ in range(4)] == [b"one", b"two", b"", b""]
    assert stream.size == 6


async def test_a_writer_waits_for_a_slow_reader_and_never_for_one_who_has_left():
    stream, told = AnswerStream(), []
    stream.write(b"x" * HIGH_WATER)
    assert stream.pause(lambda: told.append("room"))

    await stream.piece()
    assert told == ["room"]

    stream.write(b"x" * HIGH_WATER)
    assert stream.pause(lambda: told.append("left"))
    stream.leave()
    stream.write(b"x" * HIGH_WATER)
    assert told == ["room", "left"]
    assert not stream.pause(lambda: None)


async def test_a_stream_knows_when_it_is_larger_than_it_may_be():
    stream = AnswerStream(limit=3)
    stream.write(b"abc")
    assert not stream.is_too_large

    stream.write(b"d")
    assert stream.is_too_large


async def test_a_call_without_an_answer_in_time_is_given_up():
    async def never(event):
        await asyncio.Event().wait()

    call = StreamedCall(FakeInvoker(work=never), "work", b"{}", seconds=0.01)

    with pytest.raises(IntegrationTimeout):
        await call.begun()


async def test_a_pause_that_is_too_long_breaks_the_stream():
    class Slow(FakeInvoker):
        async def invoke(self, function, payload, *, stream=None, **more):
            stream.begin("text/plain")
            stream.write(b"one")
            await asyncio.Event().wait()

    call = StreamedCall(Slow(), "work", b"{}", idle_seconds=0.01)

    assert await call.begun() is None
    assert await call.piece() == b"one"
    with pytest.raises(StreamBroken):
        await call.piece()


@pytest.mark.parametrize("cut", [1, 15, 20, 24, 26])
def test_a_head_may_come_in_pieces(cut):
    content = b'{"statusCode":201}' + PRELUDE_END + b"\0body"

    assert split_prelude(content) == ({"statusCode": 201}, b"\0body")
    if cut < 26:
        assert split_prelude(content[:cut]) is None


@pytest.mark.parametrize("content", [b"{" + PRELUDE_END, b"[]" + PRELUDE_END, b"x" * 20_000])
def test_what_is_no_head_is_refused(content):
    with pytest.raises(MalformedResponse):
        split_prelude(content)


@pytest.mark.parametrize("head", [url_head, lambda prelude, _: rest_head(prelude)])
def test_a_head_sets_status_headers_and_cookies(head):
    response = head(
        {
            "statusCode": 201,
            "headers": {"content-type": "text/plain", "transfer-encoding": "chunked"},
            "multiValueHeaders": {"x-many": ["1", "2"]},
            "cookies": ["a=1", "b=2"],
        },
        "application/octet-stream",
    )

    headers = sorted((name.lower(), value) for name, value in response.headers)
    assert response.status == 201
    assert headers == [
        *(("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")),
        *(("x-many", "1"), ("x-many", "2")),
    ]


@pytest.mark.parametrize("head", [url_head, lambda prelude, _: rest_head(prelude)])
@pytest.mark.parametrize(
    "prelude",
    [
        {"statusCode": 99},
        {"headers": {"x": "a\r\nb: c"}},
        {"cookies": ["a\nb"]},
        {"cookies": 1},
        {"multiValueHeaders": {"x": "1"}},
    ],
)
def test_a_head_that_cannot_be_sent_is_refused(head, prelude):
    with pytest.raises(MalformedResponse):
        head(prelude, "application/octet-stream")


@pytest.mark.parametrize(
    ("kind", "content", "answer"),
    [
        ("text/plain", b"text", "text"),
        (WITH_PRELUDE, b"no head", "no head"),
        (WITH_PRELUDE, b"[]" + PRELUDE_END, "[]" + "\0" * 8),
        (
            *(WITH_PRELUDE, b'{"statusCode":200,"cookies":[]}' + PRELUDE_END + b"text"),
            {"statusCode": 200, "body": "text", "isBase64Encoded": False},
        ),
        (
            *(WITH_PRELUDE, b'{"statusCode":200}' + PRELUDE_END + b"\xff"),
            {"statusCode": 200, "body": "/w==", "isBase64Encoded": True},
        ),
    ],
)
def test_a_stream_as_a_whole_answer(kind, content, answer):
    assert json.loads(whole_answer(kind, content)) == answer


@pytest.mark.parametrize(
    ("endpoint", "seconds"), [("", 30), ("{Types: [REGIONAL]}", 300), ("{Types: [EDGE]}", 30)]
)
def test_how_long_a_stream_may_pause(tmp_path, endpoint, seconds):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode.html"""
    stack = read_text(
        tmp_path,
        f"""
        Resources:
          Api:
            Type: AWS::ApiGateway::RestApi
            Properties: {{Name: api, EndpointConfiguration: {endpoint or '!Ref AWS::NoValue'}}}
          Deployment:
            Type: AWS::ApiGateway::Deployment
            Properties: {{RestApiId: !Ref Api, StageName: dev}}
        """,
    )

    assert stack.rest_apis[0].idle_seconds == seconds


# It streams as the Web Adapter's stand-in does.
STREAMING = """
    from lampwork.runtime.client import answer_stream

    def handler(event, context):
        stream = answer_stream()
        stream.begin_stream("text/plain")
        for _ in range(event["pieces"]):
            stream.write_piece(b"x" * 65536)
        if event.get("fails"):
            raise ValueError("half-way")
        return "left out"
"""


def streaming(folder) -> Function:
    return function(folder, STREAMING)


async def test_an_answer_that_is_too_large_when_gathered_is_an_error(tmp_path):
    async with running(streaming(tmp_path)) as run:
        assert await run.result(event={"pieces": 2}) == "x" * 131072
        error = await run.error(event={"pieces": 200})
        assert error["errorType"] == "Function.ResponseSizeTooLarge"
        assert await run.result(event={"pieces": 1}) == "x" * 65536


async def test_a_stream_larger_than_lambda_allows_is_an_error(tmp_path):
    async with running(streaming(tmp_path)) as run:
        stream = AnswerStream(limit=100_000)
        invocation = await run.invoke(event={"pieces": 6}, stream=stream)

    assert json.loads(invocation.payload)["errorType"] == "Function.ResponseSizeTooLarge"


async def test_the_next_request_does_not_wait_for_the_reader_of_the_last_one(tmp_path):
    async with running(streaming(tmp_path)) as run:
        unread = AnswerStream()
        # So few that the function has to wait for nobody.
        first = await run.invoke(event={"pieces": 3}, stream=unread)
        assert (first.payload, first.function_error) == (b"", None)

        assert await run.result(event={"pieces": 1}) == "x" * 65536
        unread.end()
        assert len(b"".join([await unread.piece() for _ in range(3)])) == 3 * 65536


async def test_an_error_after_pieces_is_the_invocations(tmp_path):
    async with running(streaming(tmp_path)) as run:
        error = await run.error(event={"pieces": 1, "fails": True})

    assert error["errorMessage"] == "half-way"

"""What nginx refuses itself: problem+json for programs, a page for people, never its own page."""

from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser

import httpx
import pytest

from shared.errors import PROBLEM_MEDIA_TYPE
from tests.compose.gateway import ALIVE_PATH, Gateway, running_gateway

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
TASKS, REGISTER = "/api/v1/tasks", "/api/v1/auth/register"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture
def gateway(started: Gateway) -> Iterator[Gateway]:
    yield started
    started.backend.statuses.clear()
    started.backend.asked.clear()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose servers all hang."""
    soon = {"proxy_read_timeout 1500ms": "proxy_read_timeout 300ms"}
    with running_gateway(tmp_path_factory.mktemp("impatient"), soon) as gateway:
        gateway.backend.goes_on.clear()
        yield gateway


@pytest.mark.parametrize("path", [TASKS, REGISTER])
def test_a_body_that_is_too_long_is_a_problem_for_every_route(gateway, path):
    answer = httpx.post(f"{gateway.origin}{path}", content=b"x" * 1_100_000)

    assert_is_problem(answer, 413, "payload_too_large")


@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/1/result", REGISTER, "/ws/tasks/1"])
def test_a_backend_that_hangs_is_asked_only_whether_it_is_there(impatient, path):
    answer = httpx.get(f"{impatient.origin}{path}", headers=BROWSER)

    assert_is_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert impatient.backend.first_asked() == [ALIVE_PATH]


def test_a_request_may_wait_for_longer_than_whether_anybody_is_there(impatient):
    """In a line, or for news of a task: only an answer that never comes is given up."""
    impatient.backend.still_answered |= {ALIVE_PATH, "/api/v1/auth/authorize"}
    try:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{impatient.origin}{TASKS}", json={}, timeout=1.2)
    finally:
        impatient.backend.still_answered.clear()

    assert impatient.backend.first_asked() == [ALIVE_PATH, "/api/v1/auth/authorize", TASKS]


@pytest.mark.parametrize("path", ["/", "/account", "/grafana/", "/prometheus/graph", "/minio/"])
def test_what_a_person_asks_for_and_is_away_is_a_page(impatient, path):
    answer = httpx.get(f"{impatient.origin}{path}", headers=BROWSER)

    assert_is_page(answer, 503, "is away for the moment")
    assert answer.headers["Retry-After"] == "5"


def test_what_is_away_is_a_problem_for_programs(gateway):
    answer = httpx.get(f"{gateway.origin}/results/a.png")

    assert_is_problem(answer, 503, "unavailable")


def test_more_requests_at_once_than_one_client_may_send_are_a_problem(tmp_path):
    with running_gateway(tmp_path, {"rate=200r/s": "rate=1r/m", "burst=400": "burst=1"}) as strict:
        for path in (TASKS, REGISTER):
            answers = [httpx.get(f"{strict.origin}{path}", headers=BROWSER) for _ in range(3)]

            assert_is_problem(answers[-1], 429, "too_many_requests")
            assert answers[-1].headers["Retry-After"] == "1"


def test_nobody_is_counted_where_rate_limits_are_off(tmp_path):
    strict = {
        "rate=200r/s": "rate=1r/m",
        "burst=400": "burst=1",
        'map "${RATE_LIMITS}"': 'map "off"',
    }
    with running_gateway(tmp_path, strict) as gateway:
        answers = [httpx.get(f"{gateway.origin}{REGISTER}") for _ in range(4)]

    assert {answer.status_code for answer in answers} == {200}


def test_a_refusal_of_the_emulator_says_when_to_come_back(gateway):
    gateway.backend.statuses[REGISTER] = 503

    answer = httpx.post(f"{gateway.origin}{REGISTER}")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_who_cannot_be_named_is_decided_upon_by_the_function(gateway):
    gateway.backend.statuses |= {"/api/v1/auth/authorize": 401, TASKS: 401}

    assert httpx.get(f"{gateway.origin}{TASKS}").content == b"{}"
    assert gateway.backend.asked == [ALIVE_PATH, "/api/v1/auth/authorize", TASKS]


def test_a_fault_in_naming_the_user_lets_the_function_decide(gateway):
    gateway.backend.statuses["/api/v1/auth/authorize"] = 500

    assert httpx.get(f"{gateway.origin}{TASKS}").status_code == 200


def test_without_a_database_nobody_waits_for_it_a_second_time(gateway):
    gateway.backend.statuses["/api/v1/auth/authorize"] = 503

    answer = httpx.get(f"{gateway.origin}{TASKS}")

    assert_is_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert gateway.backend.asked == [ALIVE_PATH, "/api/v1/auth/authorize"]


def test_pages_are_only_read(gateway):
    answer = httpx.post(f"{gateway.origin}/account")

    assert_is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/_lampwork/metrics", "/live/@connections/1", "/refusals/page.html"]
)
def test_what_nobody_may_reach_is_not_there(gateway, path):
    assert_is_problem(httpx.get(f"{gateway.origin}{path}"), 404, "not_found")
    assert_is_page(httpx.get(f"{gateway.origin}{path}", headers=BROWSER), 404, "nothing here")
    assert gateway.backend.asked == []


def test_another_host_name_is_told_so(gateway):
    rebound = {"Host": "rebound.example"}

    assert_is_problem(httpx.get(gateway.origin, headers=rebound), 421, "misdirected_request")
    assert_is_page(httpx.get(gateway.origin, headers=rebound | BROWSER), 421, "this host name")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/3.7\r\nHost: localhost\r\n\r\n", 505, "http_version_not_supported"),
        (b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"x" * 20_000), 414, "uri_too_long"),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=%s\r\n\r\n" % (b"x" * 20_000),
            431,
            "request_header_fields_too_large",
        ),
        (
            b"POST /api/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "not_implemented",
        ),
    ],
)
def test_what_is_no_request_is_a_problem(gateway, raw, status, code):
    head, _, body = gateway.send(raw).partition(b"\r\n\r\n")
    first, _, fields = head.partition(b"\r\n")

    assert first.split()[1] == b"%d" % status
    assert headers_of(fields)["Content-Type"] == PROBLEM_MEDIA_TYPE
    assert f'"code":"{code}"'.encode() in body


def test_a_refusal_may_not_be_kept_nor_framed(gateway):
    headers = httpx.get(f"{gateway.origin}/_lampwork/x", headers=BROWSER).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "nginx/" not in str(headers)


def assert_is_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, PROBLEM_MEDIA_TYPE)
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["title"]
    assert problem["detail"].endswith(".")
    assert problem["request_id"] == answer.headers["X-Request-Id"]


def assert_is_page(answer: httpx.Response, status: int, says: str) -> None:
    kind = answer.headers["Content-Type"].split(";")[0]
    assert (answer.status_code, kind) == (status, "text/html")
    assert says in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert "<center>" not in answer.text


def headers_of(fields: bytes) -> Message:
    return BytesParser().parsebytes(fields)

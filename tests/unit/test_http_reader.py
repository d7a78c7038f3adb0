"""The reader of requests alone: it turns bytes into requests, refusals and upgrades."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lampwork.http.reader import MAX_READ, RequestReader
from lampwork.http.request import Request

PEER = ("127.0.0.1", 1234)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
WEBSOCKET = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
H2C = b"GET /h2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
MAX_HEAD, MAX_BODY = 800, 1000

Read = tuple[Request, bool]


@dataclass
class Recorded:
    """A sink that records its calls in order."""

    calls: list[Read | int | str] = field(default_factory=list)
    upgrade: Request | None = None
    early: bytes = b""

    def received(self, request: Request, keep_alive: bool) -> None:
        self.calls.append((request, keep_alive))

    def upgrade_requested(self, request: Request, early: bytes) -> None:
        self.upgrade, self.early = request, early

    def refused(self, status: int) -> None:
        self.calls.append(status)

    def expects_continue(self) -> None:
        self.calls.append("100-continue")

    @property
    def targets(self) -> list[str]:
        return [each[0].target for each in self.calls if isinstance(each, tuple)]


def read(*parts: bytes) -> Recorded:
    sink = Recorded()
    reader = RequestReader(sink, PEER, max_head=MAX_HEAD, max_body=MAX_BODY)
    for part in parts:
        if sink.upgrade is None:
            reader.feed(part)
        else:
            sink.early += part
    return sink


def split(data: bytes, cuts: set[int]) -> list[bytes]:
    ends = [*sorted(cut for cut in cuts if cut < len(data)), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


NAMES = st.text("Xabc-09", min_size=1, max_size=8).map("X-".__add__)
# Any byte that may stand in a value, which neither begins nor ends with white space.
VALUES = st.text(' az,;:"\xa1\xff', max_size=8).map(lambda text: text.strip(" ") or "v")
TARGETS = st.text("az09/%?&=", max_size=16).map("/".__add__)
BODIES = st.binary(max_size=60)
CUTS = st.sets(st.integers(1, 600), max_size=20)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, Request]:
    """The bytes of a request, and the request that must be read from them."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]))
    target = draw(TARGETS)
    headers = [("Host", "x"), *draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))]
    chunks = draw(st.lists(BODIES.filter(bool), max_size=3))
    body = b"".join(chunks)
    if draw(st.booleans()):
        headers.append(("Transfer-Encoding", "chunked"))
        sent = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks)
        sent += b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: x\r\n"])) + b"\r\n"
    else:
        headers.append(("Content-Length", str(len(body))))
        sent = body
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + sent, Request(method, target, headers, body, PEER, secure=False)


@settings(deadline=None)
@given(sent=st.lists(requests(), max_size=4), cuts=CUTS)
def test_requests_are_read_correctly_however_their_bytes_are_split(
    sent: list[tuple[bytes, Request]], cuts: set[int]
) -> None:
    sink = read(*split(b"".join(data for data, _ in sent), cuts))

    assert sink.calls == [(request, True) for _, request in sent]


@settings(deadline=None)
@given(early=BODIES, cuts=CUTS)
def test_a_websocket_is_requested_once_and_nothing_after_its_head_is_read(
    early: bytes, cuts: set[int]
) -> None:
    sink = read(*split(GET + WEBSOCKET + early, cuts))

    assert sink.targets == ["/"]
    assert sink.upgrade is not None
    assert (sink.upgrade.target, sink.early) == ("/ws", early)


REFUSED = [
    (b"nonsense\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost:1@evil.example\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: [::1].evil.example\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
    (POST + b"Content-Length: 1001\r\n\r\n", 413),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001, 413),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 900 + b"\r\n\r\n", 431),
    (b"GET /" + b"a" * 900 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
]


@pytest.mark.parametrize(("sent", "status"), REFUSED)
@settings(deadline=None)
@given(cuts=CUTS)
def test_a_bad_request_is_refused_once_and_nothing_after_it_is_read(
    sent: bytes, status: int, cuts: set[int]
) -> None:
    sink = read(*split(GET + sent + GET, cuts))

    assert sink.targets == ["/"]
    assert sink.calls[1:] == [status]


def test_a_head_that_never_ends_is_refused() -> None:
    endless = [b"GET / HTTP/1.1\r\nX: ", *[b"a" * 1024] * (MAX_READ // 1024)]

    assert read(*endless).calls == []
    assert read(*endless, b"a" * MAX_HEAD).calls == [431]


@pytest.mark.parametrize("offers", [1, 3000])
def test_offers_of_other_protocols_are_ignored(offers: int) -> None:
    sink = read(H2C * offers + GET)

    assert sink.targets == ["/h2"] * offers + ["/"]
    headers = [each[0].headers for each in sink.calls if isinstance(each, tuple)]
    assert headers == [[("Host", "x")]] * (offers + 1)


def test_a_client_that_waits_for_100_continue_is_reported_before_its_request() -> None:
    sink = read(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"hi")

    assert sink.calls[0] == "100-continue"
    assert sink.targets == ["/"]


def test_a_request_is_unfinished_from_its_first_byte_to_its_last() -> None:
    reader = RequestReader(Recorded(), PEER)
    steps = []
    for part in (b"", b"G", GET[1:-1], GET[-1:], POST + b"Content-Length: 1\r\n\r\n", b"x"):
        reader.feed(part)
        steps.append(reader.unfinished)

    assert steps == [False, True, True, False, True, False]


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (GET, True),
    ],
)
def test_the_client_decides_whether_more_requests_may_follow(head: bytes, keep_alive: bool) -> None:
    [call] = read(head).calls

    assert isinstance(call, tuple)
    assert call[1] is keep_alive


def test_a_stopped_reader_reads_no_more() -> None:
    sink = Recorded()
    reader = RequestReader(sink, PEER)
    reader.feed(GET[:5])

    reader.stop()
    reader.stop()
    reader.feed(GET[5:])

    assert sink.calls == []
    assert not reader.unfinished

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.process import logs
from tests.conftest import ROOT

CANARY = "Canary7Zq0v1nR"
JWT = f"eyJhbGciOiJFZERTQSJ9.eyJzdWIi{CANARY}.c2ln{CANARY}"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@pytest.fixture
def log() -> Iterator[Lines]:
    """The log of a process that set up its logging before the application set up its own."""
    handler, root = Lines(), logging.getLogger()
    root.addHandler(handler)
    logs.install()
    yield handler
    root.removeHandler(handler)


logger = logging.getLogger("tests.logs")


@pytest.mark.parametrize(
    "text",
    [
        f"password={CANARY}",
        f'{{"password": "{CANARY} with spaces"}}',
        f"{{'new_password': '{CANARY}'}}",
        f"access_token: {CANARY}",
        f"Authorization: Basic {CANARY}",
        f"{{'authorization': 'Digest {CANARY}, x={CANARY}'}}",
        f"Cookie: a={CANARY}; b={CANARY}",
        f"Set-Cookie: __Host-access_token={CANARY}; Path=/",
        f"sent Bearer {CANARY}",
        f"GET /ws/tasks/1?ticket={CANARY} 101",
        f"http://localhost:9000/b/k?X-Amz-Signature={CANARY}&X-Amz-Date=1",
        f"X-Amz-Security-Token={CANARY}",
        f"postgresql://app:{CANARY}@db.example.com/app refused",
        f"rt1_{CANARY}",
        f"sent lw_{CANARY}",
        f"token ev1_{CANARY} pr1_{CANARY} ec1_{CANARY} eu1_{CANARY} dv1_{CANARY}",
        f"subprotocol bearer.{JWT}",
        JWT,
        f"$argon2id$v=19$m=19456,t=2,p=1${CANARY}${CANARY}",
        f"{CANARY}@example.com wrote",
    ],
)
@pytest.mark.parametrize("way", ["message", "argument", "extra", "nested", "bytes", "error"])
@pytest.mark.case("I9")
def test_a_secret_reaches_no_log_however_it_is_logged(log, text, way):
    match way:
        case "message":
            logger.error(text)
        case "argument":
            logger.error("Seen: %s", text)
        case "extra":
            logger.error("Seen", extra={"seen": text})
        case "nested":
            logger.error("Seen", extra={"seen": {"all": [("x", text)]}})
        case "bytes":
            logger.error("Seen", extra={"seen": text.encode()})
        case "error":
            try:
                raise ValueError(text) from KeyError(text)
            except ValueError:
                logger.exception("Failed")

    assert log.lines
    assert CANARY not in log.text


@pytest.mark.parametrize(
    "name",
    [
        *("password", "newPassword", "token", "refresh_token", "Authorization", "cookie"),
        *("set-cookie", "ticket", "X-Amz-Security-Token", "client_secret", "api_key"),
    ],
)
def test_a_value_named_as_a_secret_is_never_shown(log, name):
    logger.error("Seen", extra={name: CANARY})
    logger.error("Seen", extra={"headers": {name: CANARY}})
    logger.error("Seen %(" + name + ")s", {name: CANARY})

    assert len(log.lines) == 3
    assert CANARY not in log.text


def test_a_value_that_is_no_secret_is_shown(log):
    logger.warning(
        "A task was swept",
        extra={"task_id": "0a89f0bd", "attempt": 2, "note": "for the 2nd time", "done": None},
    )

    assert log.lines == [
        'WARNING A task was swept task_id=0a89f0bd attempt=2 note="for the 2nd time" done=null'
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\x85", "\u2028", "\x1b[2K"])
def test_no_value_can_add_a_line_to_the_log(log, ending):
    forged = f"harmless{ending}ERROR forged"
    logger.error("Seen %s", forged, extra={"seen": forged})

    assert len(log.lines[0].splitlines()) == 1
    assert "\x1b" not in log.lines[0]


def test_a_traceback_is_indented_so_that_no_line_looks_like_another_entry(log):
    try:
        raise ValueError("harmless\nERROR forged")
    except ValueError:
        logger.exception("Failed")

    first, *others = log.lines[0].splitlines()
    assert first == "ERROR Failed"
    assert all(line.startswith("    ") for line in others)
    assert "test_logs.py" in log.text


def test_a_message_whose_arguments_do_not_fit_is_still_logged(log):
    logger.error("%d and %d", "one")

    assert log.lines == ["ERROR %d and %d (its arguments do not fit)"]


def test_a_long_text_costs_no_more_than_its_length():
    for text in ("a" * 200_000, "-" * 200_000, "token" * 40_000, "eyJ" * 60_000, "a@" * 100_000):
        assert logs.redact(text)


def test_installing_again_changes_nothing(log):
    logs.install()

    assert sum(isinstance(each, logs.Redaction) for each in log.filters) == 1


@pytest.mark.parametrize("log_format", ["JSON", "Text"])
def test_the_handler_of_lambda_hides_secrets_and_shows_the_added_fields(log_format):
    script = f"""
import logging, sys
from awslambdaric import bootstrap
bootstrap._setup_logging(bootstrap._AWS_LAMBDA_LOG_FORMAT, "INFO", bootstrap.StandardLogSink())
from shared.process import logs
logs.install()
try:
    raise ValueError("token={CANARY}")
except ValueError:
    logging.getLogger("x").exception("Failed %s", "rt1_{CANARY}", extra={{"task_id": 7,
        "cookie": "{CANARY}"}})
logging.getLogger("x").info("Next")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"AWS_LAMBDA_LOG_FORMAT": log_format, "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert CANARY not in ended.stdout + ended.stderr
    if log_format == "JSON":
        failed, following = map(json.loads, ended.stdout.splitlines())
        assert (failed["message"], failed["task_id"]) == ("Failed [redacted]", 7)
        assert (failed["errorType"], failed["errorMessage"]) == ("ValueError", "token=[redacted]")
        assert following["message"] == "Next"
    else:
        first, *_, last = ended.stdout.splitlines()
        assert first.endswith("Failed [redacted] task_id=7 cookie=[redacted]")
        assert last.endswith("Next")


def test_log_lines_name_their_subject_even_in_tasks_started_meanwhile(log):
    async def scenario() -> None:
        with logs.about(request_id="r-1", task_id=None):
            logger.warning("Here", extra={"attempt": 2})
            with logs.about(task_id="t-1"):
                started = asyncio.create_task(in_the_background())
        logger.warning("Outside")
        await started

    async def in_the_background() -> None:
        await asyncio.to_thread(logger.warning, "In a thread")

    asyncio.run(scenario())

    assert log.lines == [
        "WARNING Here attempt=2 request_id=r-1",
        "WARNING Outside",
        "WARNING In a thread request_id=r-1 task_id=t-1",
    ]

"""Keeps secrets out of logs and formats records, whoever configured logging in this process."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from textwrap import indent
from types import MappingProxyType
from typing import Any

REDACTED = "[redacted]"
MAXIMUM_DEPTH = 5

SECRET_NAME = re.compile(
    r"password|passwd|token|authorization|cookie|ticket|secret|api[_-]?key|x-amz-", re.IGNORECASE
)
# Each pattern is bounded, so that its time grows with the length of the text and no faster.
SECRETS = [
    (re.compile(r"((?:cookie|authorization)[\"']?\s*[:=]\s*)[^\r\n]+", re.IGNORECASE), r"\1{}"),
    (re.compile(r"(?<=[^\s?])\?[^\s\"'<>=]{1,100}=[^\s\"'<>]*"), "?{}"),  # a query string
    (re.compile(r"(?<=://)[^/\s@\"']{1,512}@"), "{}@"),
    (
        re.compile(
            r"((?:passw(?:or)?d|token|ticket|secret|api[_-]?key|x-amz-)[\w-]{0,40}[\"']?\s*[:=]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s,;&)}\]]+)",
            re.IGNORECASE,
        ),
        r"\1{}",
    ),
    (re.compile(r"(\bbearer\s+)\S+", re.IGNORECASE), r"\1{}"),
    (re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), "{}"),  # a JWT
    (re.compile(r"(?:(?:rt|ev|pr|ec|eu|dv)1_|\blw_)[\w-]+"), "{}"),  # our own tokens
    (re.compile(r"\$argon2\w*\$\S+"), "{}"),
]
PATTERNS = [(pattern, replacement.format(REDACTED)) for pattern, replacement in SECRETS]
ADDRESS = re.compile(r"(\w)[\w.+%~-]{0,63}@(?=[\w-]+\.)")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# Loggers of web servers that have handlers of their own.
SERVERS = ("uvicorn", "uvicorn.access")

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName"),
    *("aws_request_id", "tenant_id", "_frame_type"),  # set by Lambda's runtime client
}


_subject: ContextVar[Mapping[str, Any]] = ContextVar("subject", default=MappingProxyType({}))


@contextmanager
def about(**names: Any) -> Iterator[None]:
    """Add these names to every log record made in the block, including in tasks started there."""
    known = {name: value for name, value in names.items() if value is not None}
    token = _subject.set({**_subject.get(), **known})
    try:
        yield
    finally:
        _subject.reset(token)


def install() -> None:
    """Make every log handler redact secrets, and plain ones show `extra` too.

    Lambda's runtime client and Dramatiq add their handlers to the root logger before our code runs.
    A second call changes nothing.
    """
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where it finds its keys
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig()
    for handler in root.handlers:
        if not any(isinstance(each, Redaction) for each in handler.filters):
            handler.addFilter(Redaction())
        if type(handler.formatter) is logging.Formatter:
            handler.setFormatter(LineFormatter(handler.formatter._fmt, handler.formatter.datefmt))
    for name in SERVERS:
        for handler in logging.getLogger(name).handlers:
            if not any(isinstance(each, Redaction) for each in handler.filters):
                handler.addFilter(ArgumentRedaction())


class Redaction(logging.Filter):
    """Redacts the message, the `extra` and the traceback of a record. It escapes line breaks, so
    that foreign text cannot forge a line, and adds the names of `about` first."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in _subject.get().items():
            vars(record).setdefault(name, value)
        record.msg, record.args = _message(record), None
        for name in vars(record).keys() - STANDARD:
            setattr(record, name, clean(getattr(record, name), name))
        if record.exc_info and record.exc_info[1] is not None:
            kind, error, trace = record.exc_info
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = (kind, Exception(redact(str(error))), trace)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


class ArgumentRedaction(Redaction):
    """For formatters that need a record's arguments as they are: redacts each of them, such as the
    address of a request with a ticket in its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info or not isinstance(record.args, tuple):
            return super().filter(record)
        record.args = tuple(clean(each) if isinstance(each, str) else each for each in record.args)
        return True


class LineFormatter(logging.Formatter):
    """Formats for people: `extra` after the message as key=value, a traceback indented below it."""

    def format(self, record: logging.LogRecord) -> str:
        record.message = " ".join([record.getMessage(), *_pairs(record)])
        if self.usesTime():
            record.asctime = self.formatTime(record, self.datefmt)
        text = self.formatMessage(record)
        line = text.rstrip("\n")
        for detail in (record.exc_text, record.stack_info):
            if detail:
                line += "\n" + indent(detail, "    ")
        return line + "\n" if text.endswith("\n") else line


def redact(text: str) -> str:
    """The text without secrets of a recognisable form, and with masked e-mail addresses."""
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return ADDRESS.sub(r"\1***@", text)


def clean(value: Any, name: str = "", depth: int = 0) -> Any:
    """A value for a log. It is replaced if its name suggests a secret; a text is redacted and kept
    on one line; a value that is not JSON becomes text."""
    if SECRET_NAME.search(name) and value is not None:
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < MAXIMUM_DEPTH:
        return {str(key): clean(each, str(key), depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < MAXIMUM_DEPTH:
        return [clean(each, depth=depth + 1) for each in value]
    return _on_one_line(redact(str(value)))


def _message(record: logging.LogRecord) -> Any:
    if isinstance(record.msg, Mapping) and not record.args:
        return clean(record.msg)
    if isinstance(record.args, Mapping):
        record.args = clean(record.args)
    try:
        message = record.getMessage()
    except (KeyError, TypeError, ValueError):
        message = f"{record.msg} (its arguments do not fit)"
    return _on_one_line(redact(message))


def _on_one_line(text: str) -> str:
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _pairs(record: logging.LogRecord) -> list[str]:
    extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
    return [f"{name}={_shown(value)}" for name, value in extra.items()]


def _shown(value: Any) -> str:
    if isinstance(value, str) and value and not re.search(r"[\s=\"]", value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)

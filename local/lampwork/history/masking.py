"""Hides secrets in what functions get, answer and print, before it is kept or shown.

A value counts as a secret by its name (`Authorization`, `cookie`, `password`, `X-Amz-Signature`),
or by its look (a JWT, a bearer token, an access key). Names are looked for at every depth, also in
JSON and forms that stand in texts, as bodies and messages do.
"""

import base64
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

MASK: Final = "***masked***"

PARTS: Final = (
    *("authorization", "cookie", "password", "passwd", "passphrase", "secret", "token"),
    *("apikey", "accesskey", "privatekey", "credential", "signature", "clientassertion"),
)
WHOLE: Final = frozenset(("pwd", "ticket", "otp", "totp", "jwt", "sessionid", "identitysource"))
# What says something about a secret and is none.
HARMLESS_ENDS: Final = ("type", "use", "version", "count", "limit", "arn", "url", "expiresin")

JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
BEARER: Final = re.compile(r"(\b[Bb]earer\s+)[A-Za-z0-9._~+/=-]{8,}")
ACCESS_KEY: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
# name=value, as in a query, a form or a line of a log.
PAIR: Final = re.compile(r"(?<![\w-])([\w.-]{1,64})=([^&\s#\"']+)")
# "name": "value", as in JSON within other text, or as Python prints it.
MEMBER: Final = re.compile(
    r"""(["'])([\w-]{1,64})\1(\s*:\s*)(["'])((?:(?!\4)[^\\]|\\.){0,4096})\4""", re.DOTALL
)
COOKIE_VALUE: Final = re.compile(r"=[^;,]*")

DEEPEST: Final = 100
MOST_PATHS: Final = 50


def masked(value: Any) -> tuple[Any, list[str]]:
    """A JSON value without its secrets, and the paths of those, such as `headers.authorization`."""
    paths: list[str] = []
    return _masked(value, (), paths), paths


def masked_text(text: str) -> str:
    """A text without the secrets in it."""
    if "eyJ" in text:
        text = JWT.sub(MASK, text)
    if "earer" in text:
        text = BEARER.sub(rf"\1{MASK}", text)
    if "AKIA" in text or "ASIA" in text:
        text = ACCESS_KEY.sub(MASK, text)
    if "=" in text:
        text = PAIR.sub(_pair, text)
    if ":" in text:
        text = MEMBER.sub(_member, text)
    return text


def unmasked(edited: Any, original: Any, depth: int = 0) -> Any:
    """An edited value with the secrets of the original where it still has their masks."""
    if edited == masked(original)[0]:
        return original
    if depth >= DEEPEST:
        return edited
    deeper = depth + 1
    match edited, original:
        case dict(), dict():
            return {
                key: _unmasked_member(key, each, original, deeper) for key, each in edited.items()
            }
        case list(), list():
            known = original[: len(edited)] + [None] * (len(edited) - len(original))
            return [unmasked(each, was, deeper) for each, was in zip(edited, known, strict=True)]
        case str(), str():
            return _unmasked_text(edited, original, deeper)
        case _:
            return edited


def masks_in(value: Any) -> list[str]:
    """The paths at which a value still has masks in place of secrets."""
    return [".".join(path) for path in _masks(value, ())][:MOST_PATHS]


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain in WHOLE:
        return True
    return any(part in plain for part in PARTS) and not plain.endswith(HARMLESS_ENDS)


def _masked(value: Any, path: tuple[str, ...], paths: list[str]) -> Any:
    match value:
        case dict() | list() if len(path) >= DEEPEST:
            _note(path, paths)
            return MASK
        case dict():
            return {
                key: _masked_member(key, each, value, path, paths) for key, each in value.items()
            }
        case list():
            return [_masked(each, (*path, str(n)), paths) for n, each in enumerate(value)]
        case str():
            return _masked_string(value, path, paths)
        case _:
            return value


def _masked_member(
    key: str, value: Any, holder: dict[str, Any], path: tuple[str, ...], paths: list[str]
) -> Any:
    path = (*path, key)
    if isinstance(value, str) and _is_base64(key, holder):
        return _masked_base64(value, path, paths)
    if is_secret(key):
        hidden = _hidden(value, key)
        if hidden != value:
            _note(path, paths)
        return hidden
    return _masked(value, path, paths)


def _hidden(value: Any, name: str) -> Any:
    """A value that is a secret: its texts are masked, its shape stays."""
    match value:
        case "":
            return value
        case str() if "cookie" in name.lower() and "=" in value:
            # A Set-Cookie has one value, and attributes after it.
            only = 1 if "set" in name.lower() else 0
            return COOKIE_VALUE.sub(f"={MASK}", value, count=only)
        case str():
            return MASK
        case list():
            return [_hidden(each, name) for each in value]
        case dict():
            return {key: _hidden(each, name) for key, each in value.items()}
        case _:
            return value


def _masked_string(text: str, path: tuple[str, ...], paths: list[str]) -> str:
    if (inner := _json_in(text)) is not None:
        hidden = _masked(inner, path, paths)
        return text if hidden == inner else json.dumps(hidden, ensure_ascii=False)
    hidden_text = masked_text(text)
    if hidden_text != text:
        _note(path, paths)
    return hidden_text


def _masked_base64(text: str, path: tuple[str, ...], paths: list[str]) -> str:
    plain = _decoded(text)
    if plain is None:
        return text
    hidden = _masked_string(plain, path, paths)
    return text if hidden == plain else base64.b64encode(hidden.encode()).decode()


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return None


def _is_base64(key: str, holder: dict[str, Any]) -> bool:
    return (key == "body" and holder.get("isBase64Encoded") is True) or (
        key == "data" and "partitionKey" in holder
    )


def _json_in(text: str) -> Any:
    """The object or array that a text holds; None if it holds none."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _pair(found: re.Match[str]) -> str:
    return f"{found[1]}={MASK}" if is_secret(found[1]) else found[0]


def _member(found: re.Match[str]) -> str:
    if not found[5] or not is_secret(found[2]):
        return found[0]
    return f"{found[1]}{found[2]}{found[1]}{found[3]}{found[4]}{MASK}{found[4]}"


def _note(path: tuple[str, ...], paths: list[str]) -> None:
    if len(paths) < MOST_PATHS:
        paths.append(".".join(path))


def _unmasked_member(key: str, edited: Any, original: dict[str, Any], depth: int) -> Any:
    if key not in original:
        return edited
    was = original[key]
    if edited == _masked_member(key, was, original, (), []):
        return was
    if isinstance(edited, str) and isinstance(was, str) and _is_base64(key, original):
        return _unmasked_base64(edited, was, depth)
    return unmasked(edited, was, depth)


def _unmasked_text(edited: str, original: str, depth: int) -> str:
    inner, was = _json_in(edited), _json_in(original)
    if inner is None or was is None or MASK not in edited:
        return edited
    return json.dumps(unmasked(inner, was, depth), ensure_ascii=False)


def _unmasked_base64(edited: str, original: str, depth: int) -> str:
    plain, was = _decoded(edited), _decoded(original)
    if plain is None or was is None:
        return edited
    return base64.b64encode(_unmasked_text(plain, was, depth).encode()).decode()


def _masks(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if len(path) > DEEPEST:
        return
    match value:
        case dict():
            for key, each in value.items():
                if isinstance(each, str) and _is_base64(key, value):
                    each = _decoded(each) or ""
                yield from _masks(each, (*path, key))
        case list():
            for number, each in enumerate(value):
                yield from _masks(each, (*path, str(number)))
        case str() if MASK in value:
            yield path

"""Presigned URLs: requests whose signature is in the query."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote

from botocore.auth import HmacV1Auth

from lampwork.cloud.s3_access.keys import Secrets, is_same, version_2, version_4
from lampwork.cloud.s3_access.refusals import (
    access_denied,
    expired,
    malformed_query,
    wrong_signature,
)
from lampwork.cloud.s3_access.request import S3Request, encoded

ALGORITHM: Final = "AWS4-HMAC-SHA256"
VERSION_4: Final = frozenset(
    f"X-Amz-{name}"
    for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)
VERSION_2: Final = frozenset(("AWSAccessKeyId", "Expires", "Signature"))
SUBRESOURCES: Final = frozenset(HmacV1Auth.QSAOfInterest)
A_WEEK_SECONDS: Final = 604800
CLOCKS_DIFFER: Final = timedelta(minutes=15)
HOST: Final = "host"
CONTENT_HASH: Final = "x-amz-content-sha256"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"


def check_version_4(request: S3Request, secrets: Secrets) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html

    Raises:
        Refused: the URL was changed, is used otherwise than it was signed for, or has expired.
    """
    given = request.parameters
    if not given.keys() >= VERSION_4:
        raise malformed_query(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential,"
            " X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if given["X-Amz-Algorithm"] != ALGORITHM:
        raise malformed_query(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    access_key, _, scope = given["X-Amz-Credential"].partition("/")
    if not access_key or scope.count("/") != 3 or not scope.endswith("/aws4_request"):
        raise malformed_query(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting"
            ' "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        )
    _check_time(given["X-Amz-Date"], given["X-Amz-Expires"])
    secret = secrets.of(access_key)
    signed = given["X-Amz-SignedHeaders"].lower().split(";")
    if missing := sorted(_unsigned(request, signed)):
        raise access_denied(
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(missing),
        )
    canonical = _canonical_request(request, signed)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{given['X-Amz-Date']}\n{scope}\n{digest}"
    if not is_same(version_4(secret, scope, to_sign), given["X-Amz-Signature"]):
        made_of = {"StringToSign": to_sign, "CanonicalRequest": canonical}
        raise wrong_signature(access_key, given["X-Amz-Signature"], made_of)


def _check_time(date: str, expires: str) -> None:
    try:
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise malformed_query(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""
        ) from None
    try:
        seconds = int(expires)
    except ValueError:
        raise malformed_query("X-Amz-Expires should be a number") from None
    if seconds < 0:
        raise malformed_query("X-Amz-Expires must be non-negative")
    if seconds > A_WEEK_SECONDS:
        raise malformed_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires"
            f" must be less than {A_WEEK_SECONDS} seconds"
        )
    now = datetime.now(UTC)
    if signed_at - now > CLOCKS_DIFFER:
        raise access_denied("Request is not valid yet")
    if now - signed_at > timedelta(seconds=seconds):
        end = signed_at.timestamp() + seconds
        raise expired(datetime.fromtimestamp(end, UTC), now, **{"X-Amz-Expires": seconds})


def _unsigned(request: S3Request, signed: list[str]) -> Iterator[str]:
    if HOST not in signed:
        yield HOST
    for name, _ in request.amazon_headers():
        if name not in signed and name != CONTENT_HASH:
            yield name


def _canonical_request(request: S3Request, signed: list[str]) -> str:
    parameters = sorted(
        (encoded(name), encoded(value))
        for name, value in request.query
        if name != "X-Amz-Signature"
    )
    hoisted = {name.lower(): value for name, value in request.query}
    headers = "".join(
        f"{name}:{request.header(name) or hoisted.get(name, '')}\n" for name in signed
    )
    content = hoisted.get(CONTENT_HASH)
    if CONTENT_HASH in signed:
        content = request.header(CONTENT_HASH) or content
    return "\n".join(
        (
            request.method,
            encoded(unquote(request.path), safe="/"),
            "&".join(f"{name}={value}" for name, value in parameters),
            headers,
            ";".join(signed),
            content or UNSIGNED_PAYLOAD,
        )
    )


def check_version_2(request: S3Request, secrets: Secrets) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html

    Raises:
        Refused: as for version 4.
    """
    given = request.parameters
    if not given.keys() >= VERSION_2:
        raise access_denied(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId"
            " parameters"
        )
    now = datetime.now(UTC)
    try:
        end = datetime.fromtimestamp(int(given["Expires"]), UTC)
    except (ValueError, OverflowError, OSError):
        problem = "Invalid date (should be seconds since epoch): "
        raise access_denied(problem + given["Expires"]) from None
    if end < now:
        raise expired(end, now)
    access_key = given["AWSAccessKeyId"]
    secret = secrets.of(access_key)
    to_sign = _string_to_sign(request)
    if not is_same(version_2(secret, to_sign), given["Signature"]):
        raise wrong_signature(access_key, given["Signature"], {"StringToSign": to_sign})


def _string_to_sign(request: S3Request) -> str:
    hoisted = {name: value.strip() for name, value in request.query if name.startswith("x-amz-")}
    amazon = sorted({**hoisted, **dict(request.amazon_headers())}.items())
    interesting = sorted(
        f"{name}={value}" if value else name
        for name, value in request.query
        if name in SUBRESOURCES
    )
    path = f"/{request.bucket}{request.path}" if request.is_in_host else request.path
    return "\n".join(
        (
            request.method,
            request.header("content-md5") or "",
            request.header("content-type") or "",
            request.parameters["Expires"],
            *(f"{name}:{value}" for name, value in amazon),
            "?".join((path, "&".join(interesting))) if interesting else path,
        )
    )

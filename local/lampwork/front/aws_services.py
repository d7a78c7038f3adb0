"""Passes requests that are signed for other AWS services on to the embedded AWS.

This lets AWS_ENDPOINT_URL name the emulator's one address for every boto3 client.
"""

import asyncio
import re
from typing import Final

from lampwork.http.internal_paths import POOL_DOCUMENT, UNSIGNED
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message

# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
SIGNED_FOR: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html, and the second of
# https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
LINK: Final = re.compile(
    r"(?:^|&)(?:X-Amz-Credential=[^&]+(?:/|%2F)s3(?:/|%2F)aws4_request(?:&|$)|AWSAccessKeyId=)"
)
# The emulator serves these services itself.
OWN: Final = frozenset(("execute-api", "lambda"))
CONNECTION_HEADERS: Final = frozenset(
    ("connection", "content-length", "expect", "keep-alive", "transfer-encoding")
)


class AwsServices:
    """Passes requests on to the embedded AWS.

    `address` is the host and port of that server, or None when there is no such server.
    """

    def __init__(self, address: tuple[str, int] | None) -> None:
        self._address = address

    def serves(self, request: Request) -> bool:
        if self._address is None:
            return False
        service = signed_for(request)
        if service is not None:
            return service not in OWN
        return is_signed_link(request) or _is_for_a_user_pool(request)

    async def serve(self, request: Request) -> Response:
        """Return the embedded server's answer, or a 503 when that server does not answer."""
        host, port = self._address or ("", 0)
        try:
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_head(request) + request.body)
                return _response(await reader.read(), head_only=request.method == "HEAD")
            finally:
                writer.close()
        except (OSError, ValueError):
            return json_message(503, "The embedded AWS does not answer")


def signed_for(request: Request) -> str | None:
    """The AWS service for which the request is signed (`s3`, `sqs`, …); None if it is unsigned."""
    found = SIGNED_FOR.match(request.header("authorization") or "")
    return found[1] if found else None


def is_open(request: Request) -> bool:
    """Whether pages of other sites may ask for it too."""
    return is_public(request) or is_signed_link(request)


def is_signed_link(request: Request) -> bool:
    """Whether it is a link to an object, signed for whoever has it: its signature says all."""
    return request.method in ("GET", "HEAD") and LINK.search(request.query) is not None


def _is_for_a_user_pool(request: Request) -> bool:
    """Whether an unsigned request is for Cognito: an operation such as InitiateAuth, or a document
    by which tokens are verified."""
    path = request.path
    if path == "/":
        target = request.header("x-amz-target") if request.method == "POST" else None
        return target is not None and target.partition(".")[0] in UNSIGNED
    return is_public(request)


def is_public(request: Request) -> bool:
    """Whether it asks for a document that anybody may read, under whatever name of this machine."""
    return "_" in request.path and POOL_DOCUMENT.fullmatch(request.path) is not None


def _head(request: Request) -> bytes:
    """The request line and headers, in HTTP/1.0: its answers end when the connection ends."""
    passed_on = [each for each in request.headers if each[0].lower() not in CONNECTION_HEADERS]
    headers = [*passed_on, ("Content-Length", str(len(request.body)))]
    lines = [f"{request.method} {request.target} HTTP/1.0"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _response(answer: bytes, *, head_only: bool) -> Response:
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (each.partition(":") for each in lines)]
    passed_on = [each for each in headers if each[0].lower() not in CONNECTION_HEADERS]
    return Response(int(status_line.split()[1]), passed_on, b"" if head_only else body)

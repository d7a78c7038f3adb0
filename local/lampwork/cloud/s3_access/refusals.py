"""S3's answers to requests that it refuses.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4
from wsgiref.types import StartResponse, WSGIEnvironment
from xml.sax.saxutils import escape

STATUS_LINES: Final = {400: "400 Bad Request", 403: "403 Forbidden"}
# Not every control character can stand in XML, not even escaped.
SHOWN: Final = {code: "�" for code in range(32) if chr(code) not in "\t\n\r"}


class Refused(Exception):
    """S3 refuses a request. `members` are further elements of the answer's document."""

    def __init__(self, status: int, code: str, message: str, **members: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.members = members

    def answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request_id = uuid4().hex[:16].upper()
        body = self._document(request_id)
        headers = [
            ("Content-Type", "application/xml"),
            ("Content-Length", str(len(body))),
            ("x-amz-request-id", request_id),
        ]
        if origin := environ.get("HTTP_ORIGIN"):  # else a page could not read why
            headers.append(("Access-Control-Allow-Origin", origin))
        start(STATUS_LINES[self.status], headers)
        return [body]

    def _document(self, request_id: str) -> bytes:
        told = {"Code": self.code, "Message": self.message, **self.members}
        elements = "".join(
            f"<{name}>{escape(str(value).translate(SHOWN))}</{name}>"
            for name, value in {**told, "RequestId": request_id, "HostId": "lampwork"}.items()
        )
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        return f"{head}<Error>{elements}</Error>".encode(errors="replace")


def access_denied(message: str = "Access Denied", **members: object) -> Refused:
    return Refused(403, "AccessDenied", message, **members)


def expired(at: datetime, now: datetime, **members: object) -> Refused:
    return access_denied("Request has expired", **members, Expires=_iso(at), ServerTime=_iso(now))


def unknown_key(access_key: str) -> Refused:
    message = "The AWS Access Key Id you provided does not exist in our records."
    return Refused(403, "InvalidAccessKeyId", message, AWSAccessKeyId=access_key)


def wrong_signature(access_key: str, provided: str, signed: Mapping[str, str]) -> Refused:
    """`signed` is what the signature should have been made of, by the names of the elements that
    show it."""
    return Refused(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided."
        " Check your key and signing method.",
        AWSAccessKeyId=access_key,
        SignatureProvided=provided,
        **signed,
    )


def malformed_query(message: str) -> Refused:
    return Refused(400, "AuthorizationQueryParametersError", message)


def unusable_authorization(message: str, value: str) -> Refused:
    return Refused(
        400, "InvalidArgument", message, ArgumentName="Authorization", ArgumentValue=value
    )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

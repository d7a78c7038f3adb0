"""The answers a REST API gives of its own, which a template may reword.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.model import GatewayResponse

VARIABLE = re.compile(r"\$context\.([A-Za-z.]+)")


@dataclass(frozen=True, slots=True)
class RestError:
    """`type` is the name under which a template words it; `exception` the x-amzn-ErrorType."""

    type: str
    status: int
    message: str | None
    exception: str
    key: str = "message"


MISSING_TOKEN = RestError(
    *("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token"),
    "MissingAuthenticationTokenException",
)
FORBIDDEN = RestError("DEFAULT_4XX", 403, "Forbidden", "ForbiddenException")
UNAUTHORIZED = RestError("UNAUTHORIZED", 401, "Unauthorized", "UnauthorizedException")
NOT_ALLOWED = "User is not authorized to access this resource"
# The service itself writes this one key with a capital.
DENIED = RestError("ACCESS_DENIED", 403, NOT_ALLOWED, "AccessDeniedException", "Message")
EXPLICITLY_DENIED = RestError(
    *("ACCESS_DENIED", 403, f"{NOT_ALLOWED} with an explicit deny"),
    *("AccessDeniedException", "Message"),
)
AUTHORIZER_FAILED = RestError(
    *("AUTHORIZER_CONFIGURATION_ERROR", 500, None, "AuthorizerConfigurationException")
)
MALFORMED = RestError("DEFAULT_5XX", 502, "Internal server error", "InternalServerErrorException")
NOT_RUN = RestError("DEFAULT_5XX", 500, "Internal server error", "InternalServerErrorException")
TOO_LARGE = RestError(*("REQUEST_TOO_LARGE", 413, "Request Too Long", "RequestTooLargeException"))
TIMED_OUT = RestError(
    *("INTEGRATION_TIMEOUT", 504, "Endpoint request timed out", "InternalServerErrorException")
)


def rest_error(
    error: RestError,
    request: Request,
    responses: Mapping[str, GatewayResponse],
    context: Mapping[str, str],
) -> Response:
    """An error in the template's words if it has any, else in the service's."""
    default = "DEFAULT_4XX" if error.status < 500 else "DEFAULT_5XX"
    worded = responses.get(error.type) or responses.get(default) or GatewayResponse()
    if worded.template is None:
        body = json.dumps({error.key: error.message}, separators=(",", ":"))
    else:
        body = _filled(worded.template, error, context)
    headers = [
        ("Content-Type", "application/json"),
        ("x-amzn-ErrorType", error.exception),
        *_headers(worded, request),
    ]
    return Response(worded.status or error.status, headers, body.encode())


def _filled(template: str, error: RestError, context: Mapping[str, str]) -> str:
    values = {
        **context,
        "error.message": error.message or "",
        "error.messageString": json.dumps(error.message),
        "error.responseType": error.type,
    }
    return VARIABLE.sub(lambda variable: values.get(variable[1], ""), template)


def _headers(worded: GatewayResponse, request: Request) -> list[tuple[str, str]]:
    """Each value is a quoted text, or names a header of the request."""
    headers = []
    for name, value in worded.headers.items():
        source = value.removeprefix("method.request.header.")
        text = value.strip("'") if source == value else request.header(source)
        if text is not None:
            headers.append((name, text))
    return headers

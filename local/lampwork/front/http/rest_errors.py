"""The error answers of a REST API itself. A template may change their words.

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
    """One error answer.

    `type` is the gateway response type that a template can reword. `exception` is the value of
    x-amzn-ErrorType, and `key` is the name of the message in the JSON body.
    """

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
# API Gateway writes only this key with a capital letter.
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
CONFIGURATION = RestError(
    *("API_CONFIGURATION_ERROR", 500, "Internal server error", "InternalServerErrorException")
)
INTEGRATION_FAILURE = RestError(
    *("INTEGRATION_FAILURE", 500, "Internal server error", "InternalServerErrorException")
)
UNSUPPORTED_MEDIA_TYPE = RestError(
    *("UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type", "BadRequestException")
)
# localstack/localstack, test_apigateway_common.snapshot.json, test_api_gateway_request_validator
BAD_BODY = RestError(*("BAD_REQUEST_BODY", 400, "Invalid request body", "BadRequestException"))
BAD_PARAMETERS = RestError(
    *("BAD_REQUEST_PARAMETERS", 400, "Missing required request parameters", "BadRequestException")
)
BAD_JSON = RestError("DEFAULT_4XX", 400, "Invalid JSON in request body", "BadRequestException")
INVALID_API_KEY = RestError("INVALID_API_KEY", 403, "Forbidden", "ForbiddenException")
THROTTLED = RestError("THROTTLED", 429, "Too Many Requests", "TooManyRequestsException")
QUOTA_EXCEEDED = RestError("QUOTA_EXCEEDED", 429, "Limit Exceeded", "LimitExceededException")


def rest_error(
    error: RestError,
    request: Request,
    responses: Mapping[str, GatewayResponse],
    context: Mapping[str, str],
) -> Response:
    """The error's answer, in the template's words if it has any, else in API Gateway's.

    `responses` are the template's wordings by type. `context` holds the values of `$context.…`
    without that prefix.
    """
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
    """The template's headers. Each value is a quoted text or the name of a request header."""
    headers = []
    for name, value in worded.headers.items():
        source = value.removeprefix("method.request.header.")
        text = value.strip("'") if source == value else request.header(source)
        if text is not None:
            headers.append((name, text))
    return headers

"""API destinations: HTTP servers as the targets of rules.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
"""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from lampwork.cloud.moto_seam.events import ApiDestination
from lampwork.events.target_input import value_at

PREFIX: Final = "api-destination/"
LIMIT_SECONDS: Final = 5
# EventBridge sends these with each request; Content-Type can be another.
HEADERS: Final = {
    "User-Agent": "Amazon/EventBridge/ApiDestinations",
    "Range": "bytes=0-1048575",
    "Accept-Encoding": "gzip,deflate",
    "Connection": "close",
}
CONTENT_TYPE: Final = "application/json; charset=utf-8"


def call(destination: ApiDestination, parameters: Mapping[str, Any], text: str) -> None:
    """Send a text to a destination. `parameters` are the target's HttpParameters.

    Raises:
        ValueError: it does not answer in time, or not with success.
    """
    request = request_for(destination, parameters, text)
    try:
        with urlopen(request, timeout=LIMIT_SECONDS) as answer:
            answer.read()
    except HTTPError as error:
        raise ValueError(f"{request.full_url} answered {error.code}") from error
    except OSError as error:
        raise ValueError(f"{request.full_url} does not answer: {error}") from error


def request_for(destination: ApiDestination, parameters: Mapping[str, Any], text: str) -> Request:
    """The request with which an event is sent.

    What the target and the connection name is merged; the connection's values win:
    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_HttpParameters.html

    Raises:
        ValueError: the endpoint is no URL of HTTP.
    """
    event = _read(text)
    from_connection = destination.auth.get("InvocationHttpParameters", {})
    headers = {"Content-Type": CONTENT_TYPE}
    headers |= _resolved(parameters.get("HeaderParameters", {}), event)
    headers |= _pairs(from_connection, "HeaderParameters")
    headers |= dict(_authorization(destination.auth)) | HEADERS
    query = _resolved(parameters.get("QueryStringParameters", {}), event)
    query |= _pairs(from_connection, "QueryStringParameters")
    if (more := _pairs(from_connection, "BodyParameters")) and isinstance(event, dict):
        text = json.dumps({**event, **more})
    path = iter(parameters.get("PathParameterValues", []))
    return Request(
        _url(destination.endpoint, (str(_value(each, event)) for each in path), query),
        data=None if destination.method in ("GET", "HEAD") else text.encode(),
        headers=headers,
        method=destination.method,
    )


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # an input transformer can make any text
        return None


def _resolved(given: Mapping[str, str], event: Any) -> dict[str, str]:
    return {name: str(_value(value, event)) for name, value in given.items()}


def _value(value: str, event: Any) -> Any:
    return value_at(value, event) if value.startswith("$.") else value


def _pairs(parameters: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in parameters.get(kind, [])}


def _authorization(auth: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if basic := auth.get("BasicAuthParameters"):
        pair = f"{basic['Username']}:{basic['Password']}".encode()
        yield "Authorization", f"Basic {base64.b64encode(pair).decode()}"
    if key := auth.get("ApiKeyAuthParameters"):
        yield key["ApiKeyName"], key["ApiKeyValue"]


def _url(endpoint: str, path: Iterator[str], more: Mapping[str, str]) -> str:
    """The endpoint with values for the wildcards in its path and with more in its query."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"the endpoint {endpoint} is no URL of HTTP")
    start, *rest = parts.path.split("*")
    filled = start + "".join(quote(next(path, "*"), safe="*") + each for each in rest)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *more.items()])
    return urlunsplit(parts._replace(path=filled, query=query))

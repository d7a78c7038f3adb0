"""Lambda@Edge functions at CloudFront's four points.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from lampwork.triggers.samples import Option, Sample, Service

CLOUDFRONT: Final = Service("cloudfront", "Lambda@Edge.")
DOMAIN: Final = "d111111abcdef8.cloudfront.net"
URI: Final = Option("uri", "/test")
METHOD: Final = Option("method", "GET")
RESPONSE: Final = {"status": "200", "statusDescription": "OK"}


def _headers(values: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    return {name.lower(): [{"key": name, "value": value}] for name, value in values.items()}


def _event(
    point: str,
    sent: Mapping[str, str],
    query: str = "",
    received: Mapping[str, str] | None = None,
    *,
    uri: str = "/test",
    method: str = "GET",
) -> dict[str, Any]:
    config = {
        "distributionDomainName": DOMAIN,
        "distributionId": "EDFDVBD6EXAMPLE",
        "eventType": point,
        "requestId": "EXAMPLE-request==",
    }
    request = {
        "clientIp": "203.0.113.178",
        "headers": _headers({"Host": DOMAIN, **sent}),
        "method": method,
        "querystring": query,
        "uri": uri,
    }
    parts: dict[str, Any] = {"config": config, "request": request}
    if received is not None:
        parts["response"] = {**RESPONSE, "headers": _headers(received)}
    return {"Records": [{"cf": parts}]}


def _viewer(name: str, about: str, sent: Mapping[str, str], query: str = "") -> Sample:
    make = partial(_event, "viewer-request", sent, query)
    return Sample((CLOUDFRONT,), name, about, make, (URI, METHOD))


def _origin(name: str, about: str, sent: Mapping[str, str]) -> Sample:
    return Sample(
        (CLOUDFRONT,), name, about, partial(_event, "origin-request", sent), (URI, METHOD)
    )


AGENT: Final = {"User-Agent": "curl/8.0"}
DEVICES: Final = {
    "CloudFront-Is-Desktop-Viewer": "false",
    "CloudFront-Is-Mobile-Viewer": "true",
    "CloudFront-Is-SmartTV-Viewer": "false",
    "CloudFront-Is-Tablet-Viewer": "false",
}
CITIES: Final = "/forecast/Seattle:NewYork:Chicago"
SAMPLES: Final = (
    _viewer("ab-test", "A request with a cookie.", {**AGENT, "Cookie": "X-Experiment-Name=A"}),
    _viewer("http-redirect", "A request to redirect.", AGENT),
    _viewer("modify-querystring", "A request with a query string.", AGENT, "size=large"),
    _viewer(
        "normalize-querystring-to-improve-cache-hit",
        "A request whose parameters are in no order.",
        AGENT,
        "size=LARGE&color=RED",
    ),
    _viewer("redirect-unauthenticated-users", "A request without a cookie.", {}, "page=1"),
    _viewer("response-generation", "A request that the function answers itself.", {}),
    _viewer("simple-remote-call", "A request for which another server is asked.", AGENT),
    _origin(
        "redirect-on-viewer-country",
        "A request with the viewer's country.",
        {"CloudFront-Viewer-Country": "DE"},
    ),
    _origin("serve-object-on-viewer-device", "A request with the viewer's device.", DEVICES),
    Sample(
        (CLOUDFRONT,),
        "multiple-remote-calls-aggregate-response",
        "A request for which several servers are asked.",
        partial(_event, "viewer-request", AGENT),
        (Option("uri", CITIES), METHOD),
    ),
    Sample(
        (CLOUDFRONT,),
        "access-request-in-response",
        "An answer, with the request that led to it.",
        partial(_event, "viewer-response", {"User-Name": "Ada"}, received={"X-Cache": "Hit"}),
        (URI, METHOD),
    ),
    Sample(
        (CLOUDFRONT,),
        "modify-response-header",
        "An answer whose headers are changed.",
        partial(
            _event,
            "origin-response",
            {},
            received={
                "Vary": "*",
                "Last-Modified": "Sun, 01 Mar 2026 00:00:00 GMT",
                "X-Amz-Meta-Last-Modified": "2026-03-01",
            },
        ),
    ),
)

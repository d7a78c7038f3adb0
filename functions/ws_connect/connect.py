import json
from collections.abc import Mapping
from typing import Any

from shared.dependencies import one_request
from shared.errors import PROBLEM_MEDIA_TYPE, DomainError
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.stream.admission import Handshake, admission

SUBPROTOCOL = "tasks.v1"


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """$connect: the socket opens when this returns 200, so nothing is posted from here."""
    handshake = _handshake(event)
    try:
        with one_request():
            run(admission().begin(handshake))
    except DomainError as error:
        return _refusal(error)
    return {"statusCode": 200, "headers": _chosen_subprotocol(handshake.headers)}


def _handshake(event: Mapping[str, Any]) -> Handshake:
    context = event["requestContext"]
    headers = event.get("multiValueHeaders") or {}
    return Handshake(
        connection_id=context["connectionId"],
        connected_at_ms=context["connectedAt"],
        headers={name.lower(): ",".join(values) for name, values in headers.items()},
        query=event.get("multiValueQueryStringParameters") or {},
        peer=context["identity"].get("sourceIp"),
    )


def _chosen_subprotocol(headers: Mapping[str, str]) -> dict[str, str]:
    """Our subprotocol if the client offered it; never the one that carries the token."""
    offered = headers.get("sec-websocket-protocol", "").split(",")
    if SUBPROTOCOL not in (name.strip() for name in offered):
        return {}
    return {"Sec-WebSocket-Protocol": SUBPROTOCOL}


def _refusal(error: DomainError) -> dict[str, Any]:
    return {
        "statusCode": error.status,
        "headers": {**error.headers, "Content-Type": PROBLEM_MEDIA_TYPE},
        "body": json.dumps(error.document),
    }

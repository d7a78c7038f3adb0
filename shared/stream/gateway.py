from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote, urlsplit

from shared import settings
from shared.clients.http_client import HttpClient, NoAnswer, tls
from shared.clients.sigv4 import Signer
from shared.singletons import singleton

TIMEOUT_SECONDS = 3


class GatewayError(Exception):
    """The gateway refused a call, by its own fault or ours."""


class Gone(GatewayError):
    """No socket of this id is open: it has closed, or its $connect has not returned yet."""


class Overloaded(GatewayError):
    """The gateway is busy, failing or silent; the same call may succeed later."""


class Gateway(Protocol):
    """What can be done to an open WebSocket from outside. Both raise GatewayError."""

    async def post(self, connection_id: str, text: str) -> None:
        """Send one text frame."""

    async def close(self, connection_id: str) -> None:
        """Close the socket; the gateway alone decides on code and reason."""


class ApiGateway:
    """API Gateway's @connections, called and signed as boto3's `apigatewaymanagementapi` does.

    boto3's own client takes several times as long for each post.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
    """

    def __init__(self, endpoint_url: str, *, signer: Signer, http: HttpClient) -> None:
        self._endpoint_url = endpoint_url.rstrip("/")
        self._signer = signer
        self._http = http

    async def post(self, connection_id: str, text: str) -> None:
        await self._call("POST", connection_id, text.encode())

    async def close(self, connection_id: str) -> None:
        await self._call("DELETE", connection_id)

    async def aclose(self) -> None:
        """Close the connections to the gateway."""
        await self._http.close()

    async def _call(self, method: str, connection_id: str, body: bytes = b"") -> None:
        url = f"{self._endpoint_url}/@connections/{quote(connection_id, safe='')}"
        split = urlsplit(url)
        headers = self._signer.sign(method, url, {"Host": split.netloc}, body)
        try:
            status = await self._http.request(method, split.path, headers, body)
        except NoAnswer as error:
            raise Overloaded(str(error)) from error
        _check(status)


@singleton
def gateway() -> ApiGateway:
    """The process's gateway, at the address boto3 would use; it connects at its first call."""
    endpoint_url = settings.management_api().endpoint_url
    return ApiGateway(
        endpoint_url,
        signer=Signer.of_process("execute-api"),
        http=HttpClient(endpoint_url, tls=tls(), timeout_seconds=TIMEOUT_SECONDS),
    )


def _check(status: int) -> None:
    if status == HTTPStatus.GONE:
        raise Gone
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Overloaded(f"The gateway answered {status}.")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise GatewayError(f"The gateway answered {status}.")

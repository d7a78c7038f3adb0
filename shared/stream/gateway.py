from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

from shared import settings
from shared.errors import SettingsError
from shared.http_client import HttpClient, NoAnswer, tls
from shared.once import once

TIMEOUT_SECONDS = 3


class GatewayError(Exception):
    """The gateway did not take a call, for a reason of its own or of ours."""


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

    Not by its client, which takes several times as long for each post.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
    """

    def __init__(
        self, endpoint_url: str, *, credentials: Callable[[], Any], region: str, http: HttpClient
    ) -> None:
        self._endpoint_url = endpoint_url.rstrip("/")
        self._credentials = credentials
        self._region = region
        self._http = http

    async def post(self, connection_id: str, text: str) -> None:
        await self._call("POST", connection_id, text.encode())

    async def close(self, connection_id: str) -> None:
        await self._call("DELETE", connection_id)

    async def aclose(self) -> None:
        """Let go of the connections to the gateway."""
        await self._http.close()

    async def _call(self, method: str, connection_id: str, body: bytes = b"") -> None:
        url = f"{self._endpoint_url}/@connections/{quote(connection_id, safe='')}"
        split = urlsplit(url)
        request = AWSRequest(method, url, headers={"Host": split.netloc}, data=body)
        SigV4Auth(self._credentials(), "execute-api", self._region).add_auth(request)
        try:
            status = await self._http.request(method, split.path, dict(request.headers), body)
        except NoAnswer as error:
            raise Overloaded(str(error)) from error
        _check(status)


@once
def gateway() -> ApiGateway:
    """The process's gateway, at the address boto3 would use; it connects at its first call."""
    endpoint_url = settings.management_api().endpoint_url
    session = Session()
    stored = session.get_credentials()
    if stored is None:
        raise SettingsError("AWS_ACCESS_KEY_ID: no credentials to sign calls to the gateway with")
    return ApiGateway(
        endpoint_url,
        credentials=stored.get_frozen_credentials,
        region=session.get_config_variable("region"),
        http=HttpClient(endpoint_url, tls=tls(), timeout_seconds=TIMEOUT_SECONDS),
    )


def _check(status: int) -> None:
    if status == HTTPStatus.GONE:
        raise Gone
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Overloaded(f"The gateway answered {status}.")
    if status >= HTTPStatus.MULTIPLE_CHOICES:
        raise GatewayError(f"The gateway answered {status}.")

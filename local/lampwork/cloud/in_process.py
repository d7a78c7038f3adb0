import io
import threading
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from wsgiref.types import WSGIApplication

from boto3.session import Session
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from werkzeug.test import Client as WsgiClient

from lampwork.cloud.request_trace import trace_header
from lampwork.cloud.shape_fitting import fitted
from lampwork.events.trace_lineage import without_lineage

HERE: Final = "http://localhost"  # nothing is sent there

Client = Any
"""A boto3 client. boto3 makes its methods at run time, from AWS's description of the service."""


class Clients:
    """boto3 clients that call a WSGI application in this process, without a socket.

    Call it with the name of a service, such as "sqs". Several threads may do so.
    """

    def __init__(self, app: WSGIApplication, region: str, config: Config | None = None) -> None:
        self.region = region
        self._app = app
        self._config = config
        self._making = threading.Lock()
        self._client = WsgiClient(app)
        self._session = Session("test", "test", region_name=region)
        self._made: dict[str, Client] = {}

    def __call__(self, service: str) -> Client:
        with self._making:
            if service not in self._made:
                client = self._make(service, HERE)
                client.meta.events.register("provide-client-params", fitted)
                client.meta.events.register("before-send", self._send)
                self._made[service] = client
            return self._made[service]

    def at(self, service: str, endpoint: str) -> Client:
        """A client of a service that another process serves, at this address."""
        with self._making:
            if service not in self._made:
                client = self._make(service, endpoint)
                client.meta.events.register("request-created", _in_trace)
                self._made[service] = client
            return self._made[service]

    def _make(self, service: str, endpoint: str) -> Client:
        make: Any = self._session.client  # as Any, because it knows the services by literals
        return make(service, endpoint_url=endpoint, config=self._config)

    def in_region(self, region: str) -> "Clients":
        return Clients(self._app, region)

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        url = urlsplit(request.url)
        answer = self._client.open(
            unquote(url.path),
            method=request.method,
            query_string=url.query,
            headers=[(name, _text(value)) for name, value in request.headers.items()],
            data=request.body,
        )
        body = _Body(answer.get_data())
        headers = HTTPHeaders.from_dict(dict(answer.headers))
        return AWSResponse(request.url, answer.status_code, headers, body)


def _in_trace(request: AWSRequest, **_: object) -> None:
    """Let what is asked of another process belong to the trace of the request that is answered. AWS
    finds no recursion through these services."""
    if header := trace_header():
        request.headers["X-Amzn-Trace-Id"] = without_lineage(header)


class _Body(io.BytesIO):
    """A body with the methods that botocore uses on a response of urllib3."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

"""The addresses to which the functions of custom resources send their answers."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from lampwork.http.certificates import Certificates
from lampwork.http.connection import HttpProtocol
from lampwork.http.listener import Listener
from lampwork.http.request import Request
from lampwork.http.responses import Response

VALID_SECONDS: Final = 3600


class ResponseUrls:
    """On AWS they are presigned addresses of a bucket. Here a port that listens only for as long as
    an answer is awaited takes them, with TLS and without."""

    def __init__(self, data: Path) -> None:
        self._certificates = Certificates(data / "tls")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[str, "asyncio.Future[bytes]"]]:
        """A signed address, and what is put there."""
        self._certificates.ensure()
        signature = secrets.token_urlsafe(20)
        response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        connections: set[HttpProtocol] = set()

        def handle(request: Request) -> Response:
            given = parse_qs(request.query).get("Signature")
            if request.method != "PUT" or given != [signature]:
                return Response(403, [], b"")
            if not response.done():
                response.set_result(request.body)
            return Response(200, [], b"")

        listener = Listener(
            lambda secure: HttpProtocol(handle, secure=secure, connections=connections),
            self._certificates.server_context,
            host="127.0.0.1",
            port=0,
        )
        await listener.start()
        expires = int(time.time()) + VALID_SECONDS
        query = f"AWSAccessKeyId=test&Expires={expires}&Signature={signature}"
        try:
            yield f"https://localhost:{listener.port}/custom-resource-response?{query}", response
        finally:
            listener.stop()
            for connection in list(connections):
                connection.abort()

"""The embedded AWS's side of HTTP: reads whole requests and keeps connections open."""

import io
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import InternalServerError
from werkzeug.test import run_wsgi_app

from lampwork.cloud.moto_seam.http import MotoRequestHandler

WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class RequestHandler(MotoRequestHandler):
    """Keeps connections open, as AWS does.

    Werkzeug's handler closes the connection after each answer. Then every call of boto3 would need
    a new connection, and the server a new thread for it.
    """

    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        if not self._has_one_host():
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        self.environ = self.make_environ()
        try:
            body = self._body()
        except (ValueError, OSError):  # the length or a chunk is malformed
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        if body is None:
            self.close_connection = True
            return
        self.environ["wsgi.input"] = io.BytesIO(body)
        self.environ["CONTENT_LENGTH"] = str(len(body))
        self._answer(*self._run())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def _has_one_host(self) -> bool:
        """Whether there is exactly one Host, as RFC 9112 §3.2 requires. HTTP/1.0 may omit it."""
        hosts = len(self.headers.get_all("Host", ()))
        return hosts == 1 or (hosts == 0 and self.request_version == "HTTP/1.0")

    def _body(self) -> bytes | None:
        """The whole body, so that no part of it is read as the next request; None if it is cut off.

        Raises:
            ValueError: the length is not a number of bytes.
            OSError: a chunk is malformed or cut off.
        """
        # For a body in chunks, `make_environ` has put a reader of chunks in place of `rfile`.
        if self.environ["wsgi.input"] is not self.rfile:
            chunked: bytes = self.environ["wsgi.input"].read()
            return chunked
        length = int(self.headers.get("Content-Length") or 0)
        if length < 0:
            raise ValueError
        body = self.rfile.read(length)
        return body if len(body) == length else None

    def _run(self) -> tuple[bytes, str, list[tuple[str, str]]]:
        try:
            return self._run_app(self.server.app)
        except Exception as error:  # moto may raise anything for a request it does not understand
            self.server.log("error", "Error on request: %r", error)
            return self._run_app(InternalServerError())

    def _run_app(self, app: Any) -> tuple[bytes, str, list[tuple[str, str]]]:
        answer, status, headers = run_wsgi_app(app, self.environ, buffered=True)
        return b"".join(answer), status, headers.to_wsgi_list()

    def _answer(self, body: bytes, status: str, headers: list[tuple[str, str]]) -> None:
        if self.command == "HEAD" or int(status[:3]) in WITHOUT_BODY:
            body = b""
        elif not any(name.lower() == "content-length" for name, _ in headers):
            headers.append(("Content-Length", str(len(body))))
        if self.close_connection:
            headers.append(("Connection", "close"))
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

"""Leads the functions' calls of AWS on to the emulator, and writes down which function made which.

Each function has an address of its own, by which it is known.
"""

import http.client
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

# A function, an action of IAM, and the last part of what it is for: a queue, a bucket or "".
Call = tuple[str, str, str]


class Recorder:
    def __init__(self, aws: str) -> None:
        self._aws = aws
        self.calls: set[Call] = set()
        self._servers: dict[str, ThreadingHTTPServer] = {}

    def address(self, function: str) -> str:
        return f"http://127.0.0.1:{self._servers[function].server_port}"

    def listen(self, function: str) -> None:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _lead_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                action, target = named(self.command, self.path, self.headers, body)
                recorder.calls.add((function, action, target))
                far = http.client.HTTPConnection(urlsplit(recorder._aws).netloc, timeout=30)
                far.request(self.command, self.path, body, dict(self.headers))
                answer = far.getresponse()
                content = answer.read()
                far.close()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                        self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _lead_on

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self._servers[function] = server
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


@contextmanager
def recording(aws: str, functions: Iterable[str]) -> Iterator[Recorder]:
    recorder = Recorder(aws)
    try:
        for function in functions:
            recorder.listen(function)
        yield recorder
    finally:
        recorder.stop()


def named(method: str, path: str, headers: Any, body: bytes) -> tuple[str, str]:
    """The action of IAM that a request needs, and what for."""
    url = urlsplit(path)
    if target := headers.get("X-Amz-Target"):
        service, _, operation = target.rpartition(".")
        asked = json.loads(body)
        name = asked.get("QueueUrl") or asked.get("SecretId") or ""
        prefix = {"AmazonSQS": "sqs", "secretsmanager": "secretsmanager"}[service]
        return f"{prefix}:{operation}", name.rpartition("/")[2]
    if url.path.startswith("/v2/email/"):
        return "ses:SendEmail", ""
    bucket, _, key = url.path.strip("/").partition("/")
    if not key:
        listed = method == "HEAD" or "list-type" in parse_qs(url.query)
        return ("s3:ListBucket" if listed else f"s3:{method}"), bucket
    return {"PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}.get(method, "s3:GetObject"), bucket

"""The stack's nginx alone, in front of servers that a test can stop and hang."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template

from tests.conftest import ROOT
from tests.services import free_port

NGINX = ROOT / "local" / "nginx"
START_SECONDS = 60
ALIVE_PATH = "/alive"


class Upstream(BaseHTTPRequestHandler):
    """Who answers behind the gateway: everything with 200, and as the paths say."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        served = self.server
        assert isinstance(served, Served)
        served.asked.append(self.path)
        if self.path not in served.still_answered:
            served.goes_on.wait()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = served.statuses.get(self.path, 200)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"{}")

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


class Served(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Upstream)
        self.asked: list[str] = []
        self.statuses: dict[str, int] = {}
        self.goes_on = threading.Event()  # while it is not set, nobody gets an answer
        self.goes_on.set()
        self.still_answered: set[str] = set()  # except to these paths

    def first_asked(self) -> list[str]:
        """The paths asked for since this was called last, once there is one. A request may be read
        only after the gateway has given up on it."""
        wait_until(lambda: bool(self.asked))
        asked, self.asked[:] = list(self.asked), []
        return asked

    def handle_error(self, *_: object) -> None:
        """The gateway hangs up on one that hangs."""


@dataclass(frozen=True)
class Gateway:
    origin: str
    port: int
    backend: Served

    def send(self, raw: bytes) -> bytes:
        """What comes back until the gateway closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as peer:
            peer.sendall(raw)
            answer = b""
            with suppress(ConnectionResetError):
                while chunk := peer.recv(65536):
                    answer += chunk
        return answer


@contextmanager
def running_gateway(folder: Path, changes: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """nginx with the stack's files, whose fixed paths, ports and times are replaced, and what
    `changes` names."""
    backend, port = Served(), free_port()
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    config = _configured(folder, port, backend.server_address[1], changes or {})
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise RuntimeError("The tests need nginx.")
    user = "user root; " if os.geteuid() == 0 else ""
    server = subprocess.Popen([program, "-c", config, "-g", f"{user}daemon off;"])
    try:
        wait_until(lambda: _is_open(port, server))
        yield Gateway(f"http://localhost:{port}", port, backend)
    finally:
        backend.goes_on.set()
        server.terminate()
        server.wait()
        backend.shutdown()
        backend.server_close()


def _configured(folder: Path, port: int, backend_port: int, changes: Mapping[str, str]) -> Path:
    there, runs = folder / "lampwork", folder / "nginx"
    shutil.copytree(NGINX, there)
    (runs / "conf.d").mkdir(parents=True)
    for path in [*there.glob("*.conf"), there / "templates" / "gateway.conf.template"]:
        text = path.read_text()
        for old, new in {
            "/etc/nginx/lampwork": f"{there}",
            "/tmp/nginx": f"{runs}",
            "listen 8080": f"listen 127.0.0.1:{port}",
            "listen 8081": f"listen unix:{runs}/status",
            "listen 8082": f"listen unix:{runs}/connections",
            "worker_processes auto": "worker_processes 1",
            "access_log /dev/stdout json": f"access_log {runs}/access.log json",
            **changes,
        }.items():
            text = text.replace(old, new)
        path.write_text(text)
    values = {
        **dict.fromkeys(("BACKEND", "FRONTEND"), f"127.0.0.1:{backend_port}"),
        **dict.fromkeys(("STORAGE", "STORAGE_CONSOLE", "GRAFANA", "PROMETHEUS"), "127.0.0.1:9"),
        "SERVER_NAMES": "nginx",
        "ALIVE_PATH": ALIVE_PATH,
        "RESOLVER": "127.0.0.1",
        "RESULTS_BUCKET": "results",
        "GATEWAY_SECRET": "the-gateways-own-secret",
        "RATE_LIMITS": "on",
    }
    template = Template((there / "templates" / "gateway.conf.template").read_text())
    (runs / "conf.d" / "gateway.conf").write_text(template.safe_substitute(values))
    return there / "nginx.conf"


def _is_open(port: int, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        raise RuntimeError(f"nginx ended with {server.returncode}.")
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError(f"It has not come true in {START_SECONDS} s.")
        time.sleep(0.02)

"""A proxy to a server whose connections tests can cut, or make stand still, and restore."""

import socket
import threading
from contextlib import suppress
from typing import Self

BLOCK = 64 * 1024


class Proxy:
    """Leads to a port of this machine while it is open; its own port stays the same."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self._flows = threading.Event()
        self._flows.set()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        listener = self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def stand_still(self) -> None:
        """Let connections in, and lead nothing on."""
        self._flows.clear()

    def go_on(self) -> None:
        """Lead on what has come meanwhile, and what comes."""
        self._flows.set()

    def cut(self) -> None:
        """Lose all connections; new ones are let in."""
        self.go_on()
        while self._ends:
            with suppress(OSError):
                self._ends.pop().shutdown(socket.SHUT_RDWR)
        while self._pumps:
            self._pumps.pop().join()

    def close(self) -> None:
        """Lose all connections and refuse new ones."""
        if self._listener is not None:
            with suppress(OSError):  # a thread that accepts does not wake up from a mere close
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target_port))
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    pump = threading.Thread(target=_pump, args=[*ends, self._flows], daemon=True)
                    pump.start()
                    self._pumps.append(pump)


def _pump(source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
    with source, suppress(OSError):
        while block := source.recv(BLOCK):
            flows.wait()
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)

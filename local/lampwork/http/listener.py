import asyncio
import errno
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable

from lampwork.errors import StartError

logger = logging.getLogger(__name__)

TLS_HANDSHAKE = b"\x16"  # RFC 8446 §5.1: the first byte of a ClientHello's record
BACKLOG = 1024
ACCEPT_PAUSE_SECONDS = 0.5
# A client that has sent nothing by then is dropped.
SILENT_SECONDS = 60
ANY_PORT_TRIES = 10


class Listener:
    """One port for plain and TLS clients, which are told apart by their first byte.

    Args:
        protocol: makes the protocol of a connection; its argument says whether that uses TLS.
        tls: makes the server's context when the first TLS client connects.
    """

    def __init__(
        self,
        protocol: Callable[[bool], asyncio.Protocol],
        tls: Callable[[], ssl.SSLContext],
        *,
        host: str,
        port: int,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._silent_seconds = silent_seconds
        self._protocol = protocol
        self._make_context = tls
        self._context: ssl.SSLContext | None = None
        self._host = host
        self.port = port  # after `start`, the actual port even if 0 was given
        self._sockets: list[socket.socket] = []
        self._silent: set[socket.socket] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            StartError: the port is taken or the address is not this machine's.
        """
        self._loop = asyncio.get_running_loop()
        self._sockets = _bind(self._host, self.port)
        self.port = self._sockets[0].getsockname()[1]
        for listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def stop(self) -> None:
        """Accept no more clients. The owner of the protocols closes open connections."""
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()
        for client in list(self._silent):
            self._drop(client)

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # Out of file descriptors: pause, or the loop would spin on this socket.
            logger.error("cannot accept a connection", extra={"reason": str(error)})
            self._loop.remove_reader(listening)
            self._loop.call_later(ACCEPT_PAUSE_SECONDS, self._accept_again, listening)
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._silent.add(client)
        self._loop.add_reader(client, self._peek, client)
        self._loop.call_later(self._silent_seconds, self._drop_silent, client)

    def _accept_again(self, listening: socket.socket) -> None:
        if listening.fileno() != -1:
            self._loop.add_reader(listening, self._accept, listening)

    def _peek(self, client: socket.socket) -> None:
        try:
            first = client.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        if not first:
            self._drop(client)
            return
        self._loop.remove_reader(client)
        self._silent.discard(client)
        task = self._loop.create_task(self._connect(client, first == TLS_HANDSHAKE))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: socket.socket, secure: bool) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._protocol(secure), client, ssl=self._tls() if secure else None
            )
        except OSError as error:  # ssl.SSLError is one
            client.close()
            logger.debug("a handshake failed", extra={"reason": str(error)})

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._make_context()
        return self._context

    def _drop_silent(self, client: socket.socket) -> None:
        if client in self._silent:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._loop.remove_reader(client)
        self._silent.discard(client)
        client.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bind(host: str, port: int) -> list[socket.socket]:
    """`localhost` is 127.0.0.1 to some clients and ::1 to others, so listen on both."""
    if host not in ("127.0.0.1", "localhost"):
        first = _listen(host, port)
        own = "::1" if host == "0.0.0.0" else "127.0.0.1"
        if is_loopback(host) or host in ("", "::"):
            return [first]
        return [first, *_listen_if_there(own, first.getsockname()[1])]  # localhost works too
    for _ in range(1 if port else ANY_PORT_TRIES):
        first = _listen("127.0.0.1", port)
        try:
            return [first, _listen("::1", first.getsockname()[1])]
        except StartError as error:
            if not _is_taken(error):
                return [first]  # no IPv6 here
            first.close()
            taken = error
    raise taken


def _listen_if_there(host: str, port: int) -> list[socket.socket]:
    try:
        return [_listen(host, port)]
    except StartError as error:
        if _is_taken(error):
            raise
        return []  # such as IPv6, where there is none


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartError(_advice(host, port, error)) from error
    listening.setblocking(False)
    return listening


def _is_taken(error: StartError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE


def _advice(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use: stop what listens there (`lsof -i :{port}` names it)"
            " or choose another with --port."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} may not be opened by this user: choose one above 1023 with --port."
    return f"Cannot listen on {host} port {port}: {error.strerror}. Is it this machine's address?"

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from lampwork.companions.supervision import OnLog, Program, Supervised
from lampwork.config.variables import inherited
from lampwork.errors import StartError
from lampwork.http.internal_paths import REFERENCES, RESOURCES
from lampwork.stack.model import ACCOUNT_ID, CloudResource

# moto takes any credentials; that some are set keeps boto3 from looking for real ones.
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SESSION_TOKEN": "test",
}


class EmbeddedAws:
    """moto's server in a process of its own, its state kept in `data/aws`.

    It listens on one socket that this process holds open, so that requests wait while the server
    loads, or a crashed one is started again. It is started when it has something to create, or by
    the first request: a project without need of it does not pay for it.
    """

    def __init__(
        self, data: Path, on_log: OnLog, region: str, allowed_hosts: Iterable[str] = ()
    ) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._folder = data / "aws"
        self._on_log = on_log
        self._server = Supervised(self._program(data, region, allowed_hosts), on_log)
        self._starting: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()
        return host, port

    @property
    def begun(self) -> bool:
        """Whether anything has needed it yet."""
        return self._starting is not None

    @property
    def is_loading(self) -> bool:
        """Whether it has begun and does not answer yet: who calls it waits."""
        return self._starting is not None and not self._starting.done()

    @property
    def pid(self) -> int | None:
        return self._server.pid

    async def start(self) -> None:
        """Wait for the first request."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._begin)

    async def stop(self) -> None:
        if self._socket.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self._server.stop()
        self._socket.close()

    async def create(self, resources: Iterable[CloudResource]) -> None:
        """Let these exist before any further request is answered. It is not waited for."""
        wanted = json.dumps([asdict(each) for each in resources])
        if not self._write(wanted):
            return
        if self._starting is None:
            self._begin()
        else:
            await self._post(RESOURCES, b"")

    async def resolve(self, references: Sequence[str]) -> Mapping[str, str | None]:
        """The values of dynamic references such as ssm:name; None for what there is not.

        Raises:
            StartError: the server has ended; its log says why.
        """
        answer = await self._post(REFERENCES, json.dumps(references).encode())
        if not answer:
            raise StartError("The embedded AWS ended before it answered; its log is above.")
        values: Mapping[str, str | None] = json.loads(answer)
        return values

    async def loaded(self) -> None:
        """Wait until it answers, which lets it start.

        Raises:
            StartError: it ends before.
        """
        await self.resolve([])

    def _write(self, wanted: str) -> bool:
        """Tell the server what there is to be; False if that is nothing, and was before."""
        file = self._folder / "resources.json"
        if wanted == "[]" and not file.exists():
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(wanted)
        os.replace(new, file)
        return True

    def _begin(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())

    async def _start(self) -> None:
        try:
            await self._server.start()
        except StartError as error:
            self._on_log("aws", str(error))
            return
        with suppress(StartError):  # whoever needs an answer is told of its end
            await self.loaded()

    def _program(self, data: Path, region: str, allowed_hosts: Iterable[str]) -> Program:
        descriptor = self._socket.fileno()
        about = (str(descriptor), str(self._folder), region, *allowed_hosts)
        server = ("-m", "lampwork.cloud.server", *about)
        return Program(
            name="aws",
            argv=(sys.executable, *server),
            environment={**inherited(), **CREDENTIALS, "MOTO_ACCOUNT_ID": ACCOUNT_ID},
            cwd=Path("/"),
            run_dir=data / "run",
            pass_fds=(descriptor,),
        )

    async def _post(self, path: str, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            head = f"POST {path} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            return (await reader.read()).partition(b"\r\n\r\n")[2]
        except ConnectionError:
            return b""
        finally:
            writer.close()

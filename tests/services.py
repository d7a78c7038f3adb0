"""Real services, each started once per test session on a port of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from redis import Redis

from shared import database, redis_client
from shared.loop import run
from shared.once import forget

ROOT = Path(__file__).resolve().parents[1]
POSTGRESQL_HOMES = Path("/usr/lib/postgresql")
BUCKET = "results"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis that keeps nothing, without a database's number."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """A Redis for a test that stops it."""
    port = free_port()
    command = [_program("redis-server"), "--port", str(port), "--save", "", "--appendonly", "no"]
    with _serving(command, port, cwd=folder):
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of an AWS stand-in with one empty bucket, `BUCKET`."""
    from moto.server import ThreadedMotoServer  # a second to load: only for those who use it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server, up to the slash before a database's name."""
    data = tmp_path_factory.mktemp("postgresql") / "data"
    data.mkdir()
    as_server = _as_somebody_else(data)
    port = free_port()
    subprocess.run(
        [*as_server, _program("initdb"), "-D", data, "-U", "lampwork", "-A", "trust", "-N"],
        cwd="/",
        stdout=subprocess.DEVNULL,
        check=True,
    )
    command = [*as_server, _program("postgres"), "-D", str(data), "-p", str(port)]
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with _serving(command, port, cwd=Path("/")):
        yield f"postgresql+asyncpg://lampwork@127.0.0.1:{port}"


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: str) -> str:
    """A database that Alembic has brought to head; tests work with owners of their own in it."""
    url = f"{postgresql}/postgres"
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        check=True,
    )
    return url


@pytest.fixture
def backend(
    application: pytest.MonkeyPatch, redis_server: str, object_store: str
) -> Iterator[pytest.MonkeyPatch]:
    """The application on its own SQLite file with a clean Redis and a clean bucket."""
    variables = {
        "REDIS_URL": f"{redis_server}/0",
        "QUEUE_URL": f"{redis_server}/1",
        "RESULTS_BUCKET": BUCKET,
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TRUST_USER_ID_HEADER": "local",
    }
    for name, value in variables.items():
        application.setenv(name, value)
    forget()
    _empty_bucket(object_store)
    with Redis.from_url(redis_server) as client:
        client.flushall()
    yield application
    run(redis_client.client().aclose())


@pytest.fixture
def rate_limited(
    application: pytest.MonkeyPatch, redis_server: str
) -> Iterator[pytest.MonkeyPatch]:
    """The application on SQLite with its rate limits, counted from nought in Redis."""
    application.setenv("RATE_LIMITS", "on")
    application.setenv("REDIS_URL", f"{redis_server}/0")
    forget()
    with Redis.from_url(redis_server) as client:
        client.flushall()
    yield application
    run(redis_client.client().aclose())


@pytest.fixture
def rate_limited_without_redis(rate_limited: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The same while nothing answers where Redis should be."""
    rate_limited.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    forget()
    return rate_limited


@pytest.fixture
def postgresql_backend(backend: pytest.MonkeyPatch, migrated_postgresql: str) -> pytest.MonkeyPatch:
    """The same on PostgreSQL, with room for transactions side by side."""
    run(database.engine().dispose())
    backend.setenv("DATABASE_URL", migrated_postgresql)
    backend.setenv("DATABASE_POOL_SIZE", "10")
    forget()
    return backend


def objects_stored() -> list[str]:
    """The keys in the bucket."""
    listed = _s3(os.environ["AWS_ENDPOINT_URL"]).list_objects_v2(Bucket=BUCKET)
    return [each["Key"] for each in listed.get("Contents", [])]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _serving(command: list[str], port: int, *, cwd: Path) -> Iterator[None]:
    server = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_open(port, server)
        yield
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_open(port: int, server: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        if server.poll() is not None:
            raise RuntimeError(f"{server.args!r} ended with {server.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"{server.args!r} did not open port {port}")


def _program(name: str) -> str:
    beside_python = Path(sys.executable).parent
    homes = [str(home) for home in sorted(POSTGRESQL_HOMES.glob("*/bin"), reverse=True)]
    found = shutil.which(
        name, path=os.pathsep.join([os.environ["PATH"], *homes, str(beside_python)])
    )
    if found is None:
        raise RuntimeError(f"The tests need {name}.")
    return found


def _as_somebody_else(data: Path) -> list[str]:
    """PostgreSQL refuses to serve as root: then it serves as its own user, who gets the folder."""
    if os.geteuid() != 0:
        return []
    shutil.chown(data, "postgres", "postgres")
    for folder in data.parents:
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _empty_bucket(endpoint_url: str) -> None:
    s3 = _s3(endpoint_url)
    s3.create_bucket(Bucket=BUCKET)
    for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])


def _s3(endpoint_url: str) -> Any:
    return boto3.client("s3", endpoint_url=endpoint_url)

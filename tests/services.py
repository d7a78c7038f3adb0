"""Real services, each started once per test session on a port of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import pytest
from dramatiq.common import dq_name, xq_name
from pika import BlockingConnection, URLParameters
from redis import Redis

from shared import database
from shared.clients import redis_client
from shared.process.event_loop import run
from shared.singletons import forget_singletons

ROOT = Path(__file__).resolve().parents[1]
POSTGRESQL_HOMES = Path("/usr/lib/postgresql")
# RabbitMQ takes half a minute where eight programs want each core.
START_SECONDS = 120
# The programs on the PATH control only the system's own server.
RABBITMQ_HOME = Path("/usr/lib/rabbitmq/bin")
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
    from moto.server import ThreadedMotoServer  # takes a second to load, so only its users load it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    _s3(address).create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


class PostgresqlServer:
    """A PostgreSQL that can be killed and restarted on its port with its data."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command = command
        self._port = port

    @property
    def address(self) -> str:
        """The address up to the slash before a database's name."""
        return f"postgresql+asyncpg://lampwork@127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        self._process = _start(self._command, self._port, cwd=Path("/"))

    def stop(self) -> None:
        """Stop at once, whoever is connected, by PostgreSQL's immediate shutdown."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server, up to the slash before a database's name."""
    with postgresql_server() as server:
        yield server.address


@contextmanager
def postgresql_server(certificate: str | None = None) -> Iterator[PostgresqlServer]:
    """A PostgreSQL with an empty database `postgres`; with TLS if it gets a certificate, in PEM
    with its key."""
    with _home_of("postgres") as (data, as_server):
        port = free_port()
        subprocess.run(
            [*as_server, _program("initdb"), "-D", data, "-U", "lampwork", "-A", "trust", "-N"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=True,
        )
        command = [*as_server, _program("postgres"), "-D", str(data), "-p", str(port)]
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        if certificate is not None:
            pem = data / "server.pem"
            pem.write_text(certificate)
            pem.chmod(0o600)
            os.chown(pem, data.stat().st_uid, data.stat().st_gid)
            options |= {"ssl": "on", "ssl_cert_file": str(pem), "ssl_key_file": str(pem)}
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        server = PostgresqlServer(command, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()


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


class RabbitmqServer:
    """A RabbitMQ that can be stopped and started again on its port with its data."""

    def __init__(self, command: list[str], port: int, environment: Mapping[str, str]) -> None:
        self._command = command
        self._port = port
        self._environment = environment

    @property
    def address(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}"

    def start(self) -> None:
        self._process = _start(
            self._command, self._port, cwd=Path("/"), environment=self._environment
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        # The script may end before its node does, and until then no other node can take its name.
        _wait_until_closed(self._port)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """The address of a RabbitMQ server; see `delete_queues` for one without queues."""
    with rabbitmq_server() as server:
        yield server.address


@contextmanager
def rabbitmq_server() -> Iterator[RabbitmqServer]:
    """A RabbitMQ without queues.

    Its processes find each other through a daemon, which they would start and leave behind; so this
    starts one for them, and stops it.
    """
    with _home_of("rabbitmq") as (data, as_server):
        port, names_port = free_port(), free_port()
        environment = {
            **os.environ,
            "HOME": str(data),  # holds the cookie by which its processes know each other
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(names_port),
            "RABBITMQ_NODENAME": "lampwork@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOGS": str(data / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(data / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(data / "rabbitmq"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",  # it need not be fast
        }
        command = [*as_server, _program("rabbitmq-server", RABBITMQ_HOME)]
        server = RabbitmqServer(command, port, environment)
        names = [*as_server, _program("epmd"), "-port", str(names_port), "-address", "127.0.0.1"]
        with _serving(names, names_port, cwd=Path("/")):
            server.start()
            try:
                yield server
            finally:
                server.stop()


def delete_queues(address: str, *names: str) -> None:
    """Delete Dramatiq's queues of these names from a RabbitMQ, with their messages."""
    with closing(BlockingConnection(URLParameters(address))) as connection:
        channel = connection.channel()
        for name in names:
            for queue in (name, dq_name(name), xq_name(name)):
                channel.queue_delete(queue)


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
    forget_singletons()
    _empty_bucket(object_store)
    with Redis.from_url(redis_server) as client:
        client.flushall()
    yield application
    run(redis_client.client().aclose())


@pytest.fixture
def rate_limited(
    application: pytest.MonkeyPatch, redis_server: str
) -> Iterator[pytest.MonkeyPatch]:
    """The application on SQLite with its rate limits, counted from zero in Redis."""
    application.setenv("RATE_LIMITS", "on")
    application.setenv("REDIS_URL", f"{redis_server}/0")
    forget_singletons()
    with Redis.from_url(redis_server) as client:
        client.flushall()
    yield application
    run(redis_client.client().aclose())


@pytest.fixture
def rate_limited_without_redis(rate_limited: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The same application while nothing answers at the address of Redis."""
    rate_limited.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    forget_singletons()
    return rate_limited


@pytest.fixture
def postgresql_backend(backend: pytest.MonkeyPatch, migrated_postgresql: str) -> pytest.MonkeyPatch:
    """The same application on PostgreSQL, with room for concurrent transactions."""
    run(database.engine().dispose())
    backend.setenv("DATABASE_URL", migrated_postgresql)
    backend.setenv("DATABASE_POOL_SIZE", "10")
    forget_singletons()
    return backend


@pytest.fixture
def broker(redis_server: str) -> Any:
    return Redis.from_url(f"{redis_server}/1", decode_responses=True)


def rung(broker: Any) -> list[str]:
    """The tasks whose doorbells rang, in order."""
    ids = broker.lrange("dramatiq:generate", 0, -1)
    messages = [json.loads(broker.hget("dramatiq:generate.msgs", id)) for id in ids]
    return [message["kwargs"]["task_id"] for message in messages]


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
    server = _start(command, port, cwd=cwd)
    try:
        yield
    finally:
        server.terminate()
        server.wait(20)


def _start(
    command: list[str], port: int, *, cwd: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    server = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_open(port, server)
    except BaseException:
        server.kill()
        server.wait()
        raise
    return server


def _wait_until_open(port: int, server: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        if server.poll() is not None:
            raise RuntimeError(f"{server.args!r} ended with {server.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"{server.args!r} did not open port {port}")


def _wait_until_closed(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.1)
    raise TimeoutError(f"Something still answers on port {port}.")


def _program(name: str, first: Path | None = None) -> str:
    beside_python = Path(sys.executable).parent
    homes = [str(home) for home in sorted(POSTGRESQL_HOMES.glob("*/bin"), reverse=True)]
    places = [os.environ["PATH"], *homes, str(beside_python)]
    found = shutil.which(name, path=os.pathsep.join([str(first), *places] if first else places))
    if found is None:
        raise RuntimeError(f"The tests need {name}.")
    return found


@contextmanager
def _home_of(user: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder for a server's data, and a prefix for its command. Servers refuse to run as root: in
    that case one runs as its own user, who owns the folder. It is not one of pytest's folders,
    since each start of pytest closes those to other users again.
    """
    with TemporaryDirectory(prefix=f"{user}-") as folder:
        if os.geteuid() != 0:
            yield Path(folder), []
            return
        shutil.chown(folder, user, user)
        yield Path(folder), ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _empty_bucket(endpoint_url: str) -> None:
    s3 = _s3(endpoint_url)
    for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=each["Key"])


@cache  # creating a client takes longer than a request
def _s3(endpoint_url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )

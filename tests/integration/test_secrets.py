"""Secrets that change while functions run, with a real Redis and PostgreSQL."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import boto3
import pytest
import trustme
from redis import Redis
from redis.exceptions import RedisError

from shared import database, settings
from shared.clients import redis_client
from shared.errors import SettingsError, Unavailable
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.secrets import store
from shared.singletons import forget_singletons, make_anew
from tests.services import postgresql_server, running_redis

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


class Secret:
    """A secret of the stand-in for AWS."""

    def __init__(self, address: str) -> None:
        options: Any = {"endpoint_url": address, "region_name": "us-east-1"}
        self._client = boto3.client("secretsmanager", **options)
        made = self._client.create_secret(Name=f"secret-{uuid4()}", SecretString="{}")
        self.arn = made["ARN"]

    def put(self, **variables: Any) -> None:
        self._client.put_secret_value(SecretId=self.arn, SecretString=json.dumps(variables))


@pytest.fixture
def secret(application: pytest.MonkeyPatch, object_store: str) -> Iterator[Secret]:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": object_store}.items():
        application.setenv(name, value)
    made = Secret(object_store)
    application.setenv("SECRET_ARN", made.arn)
    forget_singletons()
    yield made
    run(make_anew())


async def ping_redis() -> None:
    await redis_client.client().ping()


@entry_point
def ping(event: dict[str, Any], context: Any) -> str:
    try:
        run(ping_redis())
    except RedisError as error:
        return type(error).__name__
    return "pong"


@entry_point
def ask(event: dict[str, Any], context: Any) -> str:
    try:
        run(database.check())
    except Unavailable as error:
        return type(error).__name__
    return "answered"


def test_the_variables_of_a_secret_are_settings_and_the_environment_wins(secret, application):
    application.delenv("KEYS_FILE")
    application.setenv("REDIS_URL", "redis://of-the-environment")
    secret.put(REDIS_URL="redis://of-the-secret", KEYS_JSON={"a": 1}, GENERATOR_API_KEY="k")
    forget_singletons()

    keys, api_key = settings.keys().json_text, settings.generator().api_key
    assert keys is not None
    assert api_key is not None
    assert json.loads(keys.get_secret_value()) == {"a": 1}
    assert api_key.get_secret_value() == "k"
    assert settings.redis().url.get_secret_value() == "redis://of-the-environment"


def test_a_secret_that_is_not_there_is_named_by_its_variable(secret, application):
    application.setenv("SECRET_ARN", f"{secret.arn}-other")
    forget_singletons()

    with pytest.raises(SettingsError, match=r"SECRET_ARN: .* ResourceNotFoundException"):
        settings.redis()


def test_a_function_connects_with_a_new_password_of_redis_after_the_old_one_was_refused(
    secret, application, tmp_path, monkeypatch
):
    monkeypatch.setattr(store, "DOUBT_SECONDS", 0.0)
    application.delenv("REDIS_URL")
    with running_redis(tmp_path) as address, Redis.from_url(address) as operator:
        operator.config_set("requirepass", "first-password")
        secret.put(REDIS_URL=address.replace("//", "//:first-password@"))
        forget_singletons()
        assert ping({}, None) == "pong"

        operator.execute_command("AUTH", "first-password")
        operator.config_set("requirepass", "second-password")
        secret.put(REDIS_URL=address.replace("//", "//:second-password@"))
        operator.client_kill_filter(_type="normal", skipme=True)  # a kept connection stays valid

        assert ping({}, None) == "AuthenticationError"
        assert ping({}, None) == "pong"
        run(make_anew())


def test_a_function_connects_with_a_new_password_of_postgresql_after_the_old_one_was_refused(
    secret, application, postgresql, monkeypatch
):
    monkeypatch.setattr(store, "DOUBT_SECONDS", 0.0)
    application.delenv("DATABASE_URL")
    # This server trusts every password, so a user who does not exist stands for a wrong one.
    role = f"nobody_{uuid4().hex[:8]}"
    secret.put(DATABASE_URL=f"{postgresql}/postgres".replace("lampwork@", f"{role}@"))
    forget_singletons()
    assert ask({}, None) == "Unavailable"

    secret.put(DATABASE_URL=f"{postgresql}/postgres")

    assert ask({}, None) == "answered"


def test_nothing_is_asked_of_aws_where_the_environment_names_no_secret(application):
    application.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert settings.secret_store() is None
    assert ask({}, None) == "answered"


def test_credentials_come_from_the_address_that_functions_with_snapstart_are_given(
    secret, application
):
    for name in CREDENTIALS:
        application.delenv(name)
    secret.put(REDIS_URL="redis://of-the-secret")
    application.delenv("REDIS_URL")
    served = {"AccessKeyId": "AK", "SecretAccessKey": "s", "Token": "t", "Expiration": "2030"}
    with serving(served, token="the-token") as address:
        application.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{address}/credentials")
        application.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-token")
        forget_singletons()

        assert settings.redis().url.get_secret_value() == "redis://of-the-secret"


def test_the_certificate_of_postgresql_is_checked(application, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with postgresql_server(certificate.private_key_and_cert_chain_pem.bytes().decode()) as server:
        application.setenv("DATABASE_URL", f"{server.address}/postgres?ssl=verify-full")
        forget_singletons()
        with pytest.raises(Unavailable):
            run(database.check())

        application.setenv("DATABASE_CA_FILE", str(trusted))
        forget_singletons()
        run(database.check())
        run(make_anew())


@pytest.mark.parametrize(
    ("host", "is_of_rds"),
    [
        ("db.cluster-x.eu-west-1.rds.amazonaws.com", True),
        ("db.x.cn-north-1.rds.amazonaws.com.cn", True),
        ("db.example.com", False),
        ("rds.amazonaws.com.example.com", False),
    ],
)
def test_the_authorities_of_rds_are_trusted_for_its_hosts_beside_the_systems(
    application, host, is_of_rds
):
    application.setenv("DATABASE_URL", f"postgresql+asyncpg://u@{host}/db?ssl=verify-full")
    trusted = database.tls(settings.database())["ssl"].get_ca_certs()
    of_rds = [each for each in trusted if "Amazon RDS eu-west-1 Root CA RSA2048 G1" in str(each)]

    assert bool(of_rds) is is_of_rds
    assert len(trusted) > 100


def test_a_file_of_authorities_replaces_those_of_rds_too(application, tmp_path):
    trusted = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(trusted))
    host = "db.eu-west-1.rds.amazonaws.com"
    application.setenv("DATABASE_URL", f"postgresql+asyncpg://u@{host}/db?ssl=verify-full")
    application.setenv("DATABASE_CA_FILE", str(trusted))

    assert len(database.tls(settings.database())["ssl"].get_ca_certs()) == 1


@contextmanager
def serving(document: dict[str, str], *, token: str) -> Iterator[str]:
    """An HTTP server that gives this document to whoever has the token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == token
            self.send_response(200 if known else 403)
            self.end_headers()
            self.wfile.write(json.dumps(document if known else {}).encode())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

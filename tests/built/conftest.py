"""The product from the folders that `sam build` made, and from nothing else: `make built-test`.

The emulator runs in an environment of its own, on the Python of the template, that has none of the
application's packages. What functions ask of AWS passes a recorder.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local import bundle
from local.keys import ensure_keys
from tests.built.recorder import Recorder, recording
from tests.conftest import ROOT
from tests.e2e.conftest import MANY_SIGN_UPS, ada, bob  # noqa: F401
from tests.e2e.product import Product, free_port

START_SECONDS = 300
SENDER = "no-reply@example.com"
CREDENTIALS = {"aws_access_key_id": "a", "aws_secret_access_key": "a", "region_name": "us-east-1"}
RECORDED = ("S3", "SQS", "SESV2")
GIVES_LINKS = "TasksResult"  # of S3, to people, who follow them to the emulator
SETTINGS = {
    **{"ENV": "development", "PUBLIC_URL": "${origin}", "AUTH_ISSUER": "${origin}"},
    **{"AUTH_VERIFICATION_DELIVERY": "response", "COOKIE_SECURE": "false"},
    **{"MAIL_URL": "ses://", "MAIL_FROM": SENDER},
    **{"TRUST_USER_ID_HEADER": "local", "WEBHOOK_LOOPBACK": "true"},
    "DATABASE_URL": "sqlite+aiosqlite:///${data}/lampwork.db",
    **{"REDIS_URL": "${redis_url}/0", "KEYS_FILE": "${data}/keys.json"},
    **{"SWEEP_DELAYS_SECONDS": "0", "TICK_DELAYS_SECONDS": "0", "WS_TICK_SECONDS": "5"},
    **MANY_SIGN_UPS,
}


@pytest.fixture(scope="session")
def template() -> Path:
    """The built template; the folders beside it are those that would be deployed."""
    return ROOT / os.environ.get("BUILT", ".aws-sam/build") / "template.yaml"


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the emulator alone; EMULATOR_PYTHON names one that is there already."""
    if present := os.environ.get("EMULATOR_PYTHON"):
        return Path(present)
    of_lambda = bundle.compiler()
    assert of_lambda, bundle.NO_COMPILER
    folder = tmp_path_factory.mktemp("emulator") / "venv"
    run(of_lambda, "-m", "venv", str(folder))
    made = folder / "bin" / "python"
    locked = folder / "constraints.txt"
    lines = (ROOT / "requirements" / "dev.lock").read_text().splitlines()
    locked.write_text("\n".join(each.rstrip(" \\") for each in lines if re.match(r"\S+==", each)))
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(str(made), *pip, "--constraint", str(locked), str(ROOT / "local"))
    return made


@pytest.fixture(scope="session")
def functions(template: Path) -> list[str]:
    """The logical ids of the built functions: each has a folder of its own, layers too."""
    text = re.sub(r"![A-Za-z]+", "", template.read_text())  # CloudFormation's short forms
    resources = yaml.safe_load(text)["Resources"]
    return [name for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"]


@pytest.fixture(scope="session")
def port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def recorder(port: int, functions: list[str]) -> Iterator[Recorder]:
    with recording(f"http://localhost:{port}", functions) as made:
        yield made


@pytest.fixture(scope="session")
def product(
    template: Path,
    python: Path,
    port: int,
    recorder: Recorder,
    functions: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    root = tmp_path_factory.mktemp("built")
    data, log = root / "data", root / "log"
    data.mkdir()
    variables = root / "variables.json"
    variables.write_text(json.dumps({name: addresses(recorder, name) for name in functions}))
    lines = [f'template = "{template}"', "[environment]"]
    lines += [f'{name} = "{value}"' for name, value in SETTINGS.items()]
    lines += ["[schedules]", "TasksSweepEachMinute = 5", "WsTickEachMinute = 5"]
    (root / "lampwork.toml").write_text("\n".join(lines))
    ensure_keys(data / "keys.json")
    database = {"DATABASE_URL": f"sqlite+aiosqlite:///{data / 'lampwork.db'}"}
    run(sys.executable, "-m", "alembic", "upgrade", "head", environment=database)
    options = ["--port", str(port), "--data", str(data), "--no-reload"]
    options += ["--container-env-vars", str(variables)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(python), "-m", "lampwork", "up", *options],
            cwd=root,
            env={"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(root)},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    product = Product(process, port, data, log)
    try:
        product.until_it_answers(START_SECONDS)
        aws: Any = {"endpoint_url": product.origin, **CREDENTIALS}
        boto3.client("sesv2", **aws).create_email_identity(EmailIdentity=SENDER)
        yield product
    finally:
        if process.poll() is None:
            product.stop()


def addresses(recorder: Recorder, function: str) -> dict[str, str]:
    """The emulator itself names the address of all services, so these are more exact."""
    services = [each for each in RECORDED if (function, each) != (GIVES_LINKS, "S3")]
    return {f"AWS_ENDPOINT_URL_{each}": recorder.address(function) for each in services}


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})}, check=True)

"""The image for container platforms and its manifests: they run the same roles, with variables that
exist, from files that the image has."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
from typing import Any

import pytest
import yaml

from lampwork.template.reader import read_stack
from lampwork.triggers.registry import SOURCES
from local import bundle, schedule, server_metrics, worker_metrics
from shared import settings
from shared.process import metrics
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILES = ("Dockerfile", "lambda.Dockerfile")
# What a server of ours or a client of AWS reads by itself.
OTHER_VARIABLES = {"AWS_REGION", "WEB_CONCURRENCY"}


def copied(dockerfile: str) -> list[str]:
    """The files and folders of the repository that the image gets, besides those of packages."""
    text = (DEPLOY / "container" / dockerfile).read_text().replace("\\\n", " ")
    lines = re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
    return [name for line in lines for name in line.split()[:-1]]


def documents() -> list[dict[str, Any]]:
    files = [*(DEPLOY / "kubernetes").rglob("*.yaml"), DEPLOY / "knative" / "web.yaml"]
    return [each for file in files for each in yaml.safe_load_all(file.read_text())]


def containers() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for document in documents():
        template = document.get("spec", {}).get("template", {})
        found += template.get("spec", {}).get("containers", [])
    return found


def fly() -> dict[str, Any]:
    return tomllib.loads((DEPLOY / "fly" / "fly.toml").read_text())


@pytest.mark.parametrize(
    ("dockerfile", "modules"),
    [
        (
            "Dockerfile",
            (
                *("functions.asgi", "local.serve", "local.schedule", "local.worker"),
                *("local.http_check", "local.sentry_check"),
            ),
        ),
        ("lambda.Dockerfile", ("functions.asgi", "functions.tasks.generate")),
    ],
)
def test_an_image_has_all_files_that_its_processes_load(dockerfile, modules, tmp_path):
    for name in copied(dockerfile):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    packages = sysconfig.get_path("purelib")
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {packages!r}]\n"
        f"import {', '.join(modules)}\n"
        "ours = [m for n, m in sys.modules.items() if n.split('.')[0] in"
        " ('functions', 'shared', 'local')]\n"
        f"assert all((m.__file__ or {str(tmp_path)!r}).startswith({str(tmp_path)!r}) for m in ours)"
        "\nassert 'lampwork' not in sys.modules"
    )

    subprocess.run([sys.executable, "-S", "-c", program], cwd=tmp_path, check=True)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_an_image_copies_is_not_ignored(dockerfile):
    ignore = (DEPLOY / "container" / f"{dockerfile}.dockerignore").read_text().splitlines()

    needed = set(copied(dockerfile))
    assert {f"!{name}" for name in needed} == {line for line in ignore if line.startswith("!")}
    assert [name for name in needed if not (ROOT / name).exists()] == []


def test_the_image_for_lambda_has_the_code_that_its_zip_has():
    assert set(bundle.CODE) <= set(copied("lambda.Dockerfile"))


def test_builders_that_know_one_ignore_file_alone_get_what_the_image_copies():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()

    sent = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    assert [
        name
        for name in copied("Dockerfile")
        if not any(name == each or name.startswith(f"{each}/") for each in sent)
    ] == []


def test_all_platforms_run_the_same_roles():
    kubernetes = {shlex.join(each["command"]) for each in containers()}

    of_fly = {*fly()["processes"].values(), fly()["deploy"]["release_command"]}
    assert kubernetes == of_fly
    assert fly()["http_service"]["processes"] == ["web"]


def test_manifests_set_variables_that_something_reads():
    known = {
        field.alias
        for model in vars(settings).values()
        if isinstance(model, type) and issubclass(model, settings.Settings)
        for field in model.model_fields.values()
    }
    configured = {
        literal.partition("=")[0]
        for document in documents()
        for each in document.get("configMapGenerator", ())
        for literal in each["literals"]
    }
    configured |= {each["name"] for container in containers() for each in container.get("env", ())}
    configured |= set(fly()["env"])

    assert sorted(configured - known - OTHER_VARIABLES) == []


def test_generators_grow_by_a_metric_that_the_schedule_serves():
    """Under the name that its page has, which the manifests ask it for."""
    keda = DEPLOY / "kubernetes" / "keda"
    scaler = yaml.safe_load((keda / "generate-scaler.yaml").read_text())
    overlay = yaml.safe_load((keda / "kustomization.yaml").read_text())

    query = scaler["spec"]["triggers"][0]["metadata"]["query"]
    names = set(re.findall(r"lampwork_\w+", query))
    served = worker_metrics.prometheus_name(metrics.OLDEST_QUEUED_AGE)
    assert names == {f"{served}_sum", f"{served}_count"}
    assert overlay["configMapGenerator"][0]["literals"] == ["METRICS_FORMAT=prometheus"]
    assert f'prometheus.io/port: "{server_metrics.PORT}"' in overlay["patches"][0]["patch"]


def test_requests_are_signed_for_the_region_that_the_manifests_name():
    """boto3 knows only another variable."""
    program = (
        "from shared.clients.sigv4 import Signer; print(Signer.of_process('s3').region)\n"
        "from shared.clients.objects import _client; print(_client().meta.region_name)"
    )
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("AWS_")}
    credentials = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "ENV": "development"}

    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**environment, **credentials, "AWS_REGION": fly()["env"]["AWS_REGION"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert finished.stdout.split() == [fly()["env"]["AWS_REGION"]] * 2


def test_fly_builds_with_the_image_s_own_list_of_files():
    """flyctl would take the repository's .dockerignore, which is for the image of the emulator."""
    build = fly()["build"]

    folder = DEPLOY / "fly"
    assert (folder / build["dockerfile"]).resolve() == DEPLOY / "container" / "Dockerfile"
    assert build["ignorefile"] == f"{build['dockerfile']}.dockerignore"
    assert (folder / build["ignorefile"]).exists()


def test_every_schedule_of_the_template_runs_without_aws_too(tmp_path):
    """Sockets apart, which the server looks after by itself."""
    stack = read_stack(
        ROOT / "template.yaml",
        parameters={},
        region="us-east-1",
        stack_name="local",
        cache_dir=tmp_path,
        queue_url_base="http://localhost",
        sources=SOURCES,
    )
    scheduled = {
        stack.functions[each.function].handler.rpartition(".")[0]
        for each in stack.triggers
        if "schedule" in type(each).__name__.lower()
    }

    assert scheduled == {job.function for job in schedule.JOBS} | {"functions.ws_broadcast.tick"}


def test_no_image_has_the_emulator():
    for dockerfile in DOCKERFILES:
        assert not [name for name in copied(dockerfile) if "lampwork" in name]
    lock = (ROOT / "requirements" / "server.lock").read_text()
    assert not re.search(r"^(moto|awslambdaric|pytest)==", lock, re.MULTILINE)
    assert re.search(r"^uvicorn==", lock, re.MULTILINE)


async def test_a_job_that_fails_runs_again_and_holds_up_no_other():
    runs: list[str] = []

    async def failing() -> None:
        runs.append("failing")
        raise RuntimeError("this time")

    async def working() -> None:
        runs.append("working")
        if runs.count("working") >= 3 <= runs.count("failing"):
            os.kill(os.getpid(), signal.SIGTERM)

    await schedule.run_all((schedule.Job("a", 0.001, failing), schedule.Job("b", 0.001, working)))

    assert runs.count("working") >= 3


@pytest.mark.parametrize("role", ["local.serve", "local.schedule"])
def test_a_role_with_unsafe_settings_ends_at_once_and_says_which(role):
    """With an error code, by which platforms know that a deployment failed."""
    finished = subprocess.run(
        [sys.executable, "-m", role],
        cwd=ROOT,
        env={"ENV": "production", "WEB_CONCURRENCY": "2", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )

    assert finished.returncode == 1
    assert finished.stderr.startswith("Not fit for production:")
    assert "- PUBLIC_URL" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_compose_stack_can_run_the_image_in_place_of_the_emulator():
    base = yaml.safe_load((ROOT / "local" / "compose.yml").read_text())["services"]
    server = yaml.safe_load((ROOT / "local" / "compose.server.yml").read_text())["services"]

    roles = {shlex.join(each["command"]) for each in server.values() if "command" in each}
    assert roles == {"python -m local.serve", "python -m local.schedule"}
    assert server.keys() - base.keys() == {"schedule"}
    of_emulator = [name for name, each in base.items() if "lampwork" in str(each.get("image"))]
    replaced = {name for name, each in server.items() if "lampwork-server" in each.get("image", "")}
    assert set(of_emulator) - replaced == {"volumes", "migrate"}
    # The worker's variables are all that the schedule's work knows of.
    known = base["deliverer"]["environment"]
    assert {name: known[name] for name in server["schedule"]["environment"]} == (
        server["schedule"]["environment"]
    )

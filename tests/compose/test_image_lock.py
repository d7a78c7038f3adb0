"""The lock of the stack's images, with a registry that a program stands in for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.image_lock import named
from tests.conftest import ROOT

DIGEST = "sha256:" + "0af1" * 16


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """In place of docker: it knows every image except PostgreSQL's 99."""
    program = tmp_path / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >>{tmp_path}/asked\n'
        'for image in "$@"; do :; done\n'
        'case $image in *:99) echo "not found: $image" >&2; exit 1 ;; esac\n'
        f"echo '\"{DIGEST}\"'\n"
    )
    program.chmod(0o755)
    return program


def lock(registry: Path, own: str, file: Path) -> subprocess.CompletedProcess[str]:
    env_file = file.with_suffix(".env")
    env_file.write_text(own)
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_IMAGE")}
    return subprocess.run(
        [sys.executable, "-m", "local.image_lock", "--env-file", env_file, "--to", file],
        cwd=ROOT,
        env={**clean, "DOCKER": f"{registry}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_image_is_pinned_by_what_its_registry_says(registry, tmp_path):
    file = tmp_path / "images.lock"
    own = "NGINX_IMAGE=ours/nginx:1\nMINIO_IMAGE=objects@sha256:old\n"

    done = lock(registry, own, file)

    assert done.returncode == 0, done.stderr
    pinned = dict(line.split("=", 1) for line in file.read_text().splitlines()[1:])
    assert pinned.keys() == named({"MINIO_IMAGE": "any"}).keys()
    assert pinned["POSTGRES_IMAGE"] == f"postgres:15@{DIGEST}"
    assert pinned["NGINX_IMAGE"] == f"ours/nginx:1@{DIGEST}"
    assert pinned["MINIO_IMAGE"] == f"objects@{DIGEST}"


def test_where_one_is_not_known_the_lock_stays_as_it_was(registry, tmp_path):
    file = tmp_path / "images.lock"
    file.write_text("REDIS_IMAGE=redis:7@sha256:old\n")

    done = lock(registry, "POSTGRES_IMAGE=postgres:99\n", file)

    assert done.returncode == 1
    assert "not found: postgres:99" in done.stderr
    assert file.read_text() == "REDIS_IMAGE=redis:7@sha256:old\n"

"""Layers are the same whatever Python builds them."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.skips import needs_two

pytestmark = pytest.mark.soak

VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def interpreters() -> dict[str, Path]:
    """One of each version that is here."""
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep))]
    folders += sorted(Path("~/.pyenv/versions").expanduser().glob("*/bin"), reverse=True)
    found: dict[str, Path] = {}
    for version in VERSIONS:
        for folder in folders:
            python = folder / f"python{version}"
            if python.exists() and version not in found and runs_pip(python):
                found[version] = python
    return found


def runs_pip(python: Path) -> bool:
    asked = [str(python), "-I", "-m", "pip", "--version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def digest(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
@pytest.mark.parametrize("lock", ["lambda", "painting"])
def test_every_python_builds_the_same_layer_byte_for_byte(tmp_path, lock, architecture):
    made = {}
    pythons = interpreters()
    needs_two(pythons)
    for version, python in pythons.items():
        folder = tmp_path / version
        subprocess.run(
            [python, "local/bundle.py", "packages", f"requirements/{lock}.lock", folder],
            cwd=ROOT,
            env={**os.environ, "LAMBDA_ARCHITECTURE": architecture},
            check=True,
        )
        made[version] = digest(folder)

    first, *others = made.values()
    assert first
    assert all(each == first for each in others)

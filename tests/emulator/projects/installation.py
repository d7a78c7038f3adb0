"""The emulator as its users have it: built as a wheel, installed into a venv of its own."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path

from tests.emulator.lampwork_process import LampworkProcess

ROOT = Path(__file__).resolve().parents[3]
PROJECTS = Path(__file__).parent
UV = Path(sys.executable).with_name("uv")


@dataclass(frozen=True)
class Installation:
    """A venv with `lampwork` and what its wheel requires, and nothing else of this repository."""

    venv: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Installation":
        """The installation in this folder. Of several processes that ask at once, the first makes
        it."""
        folder.mkdir(exist_ok=True)
        installation = cls(folder / "venv")
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (done := folder / "done").exists():
                installation._install(folder)
                done.touch()
        return installation

    def run(self, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.venv / "bin" / "lampwork", *arguments],
            cwd=cwd,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def up(self, *options: str, cwd: Path) -> LampworkProcess:
        process = subprocess.Popen(
            [self.venv / "bin" / "lampwork", "up", "--port", "0", *options],
            cwd=cwd,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return LampworkProcess(process)

    def _environment(self) -> dict[str, str]:
        # Not on another Python that this machine may have.
        return {**_environment(), "LAMPWORK_PYTHON": f"{self.venv}/bin/python"}

    def _install(self, folder: Path) -> None:
        wheels = folder / "wheels"
        python = ("--python", sys.executable)
        source = str(ROOT / "local")
        _uv("build", *python, "--wheel", "--no-build-isolation", "-o", str(wheels), source)
        _uv("venv", *python, str(self.venv))
        # The versions that all other tests run with.
        versions = folder / "versions.txt"
        versions.write_text("".join(f"{each.name}=={each.version}\n" for each in distributions()))
        (wheel,) = wheels.glob("*.whl")
        _uv("pip install", "--python", str(self.venv), "-c", str(versions), str(wheel))
        (self.venv / "bin" / "uv").symlink_to(UV)  # which installs functions' requirements


@dataclass
class Project:
    """A copy of a project's folder, and `lampwork up` in it."""

    installation: Installation
    root: Path
    started: list[LampworkProcess] = field(default_factory=list)

    origin: str = ""

    def up(self, *options: str) -> str:
        """Start it and wait until it answers. Returns `origin`: http://localhost:…"""
        self.started.append(self.installation.up(*options, cwd=self.root))
        self.origin = self.lampwork.origin()
        return self.origin

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.installation.run(*arguments, cwd=self.root)

    @property
    def aws(self) -> dict[str, str]:
        """The arguments boto3 needs, as AWS_ENDPOINT_URL and a profile would give them."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return {"endpoint_url": self.origin, "region_name": "us-east-1", **keys}

    @property
    def lampwork(self) -> LampworkProcess:
        return self.started[-1]

    def close(self) -> None:
        for lampwork in self.started:
            if lampwork.process.poll() is None:
                lampwork.stop()
            assert lampwork.process.stdout
            lampwork.process.stdout.close()


@contextmanager
def project(installation: Installation, name: str, folder: Path) -> Iterator[Project]:
    """The project of this name under tests/emulator/projects, copied to `folder`."""
    root = folder / name
    shutil.copytree(PROJECTS / name, root, ignore=shutil.ignore_patterns("test_*", "__pycache__"))
    created = Project(installation, root)
    try:
        yield created
    finally:
        created.close()


def _uv(command: str, *arguments: str) -> None:
    subprocess.run([UV, *command.split(), "--quiet", *arguments], check=True, capture_output=True)


def _environment() -> dict[str, str]:
    """The environment of a shell without any setting for Python or AWS, but with the authorities
    that this machine's registries need."""
    names = ("PATH", "HOME", "LANG", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1"}

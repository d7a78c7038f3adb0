"""What the emulator uses of other packages beyond their public API, and what happens when a name is
missing."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from lampwork.cloud.moto_seam.names import MOTO
from lampwork.companions.fake_redis import FAKEREDIS
from lampwork.front.websocket_seam import WEBSOCKETS
from lampwork.runtime.awslambdaric_seam import AWSLAMBDARIC
from lampwork.seams import EXIT_STATUS, UNFIT, Seam, UnknownVersion
from tests.conftest import ROOT
from tests.emulator.lampwork_process import TIMEOUT_SECONDS, SampleProject

LAMPWORK = ROOT / "local" / "lampwork"

# The only module that imports each of these packages.
SEAMS = {
    "moto": "cloud/moto_seam/",
    "websockets": "front/websocket_seam.py",
    "awslambdaric": "runtime/awslambdaric_seam.py",
    "fakeredis": "companions/fake_redis.py",
}
# A project that `lampwork init` writes, which is no part of the emulator, and a client that uses
# public names alone.
OUTSIDE = ("commands/new_project/starter/", "testing/sockets.py")
MODULE = """\
class Queue:
    def send(self, body, *, group=None): ...

def opened(queue, mode, buffering): ...
"""
SEAM = """\
import sys
from lampwork.seams import Seam, Specimen

Seam("moto", "5.2.5", "5.3", {uses}).check_or_exit()
"""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Import(names=names):
                yield from (each.name.partition(".")[0] for each in names)


@pytest.mark.parametrize(("package", "seam"), SEAMS.items())
def test_a_package_is_imported_by_its_seam_alone(package: str, seam: str):
    importing = {
        name
        for file in LAMPWORK.rglob("*.py")
        if not (name := str(file.relative_to(LAMPWORK))).startswith(OUTSIDE)
        and package in imported(file)
    }

    assert importing
    assert [file for file in importing if not file.startswith(seam)] == []


@pytest.mark.parametrize("seam", [MOTO, WEBSOCKETS, FAKEREDIS], ids=lambda each: each.package)
def test_the_installed_versions_are_known(seam: Seam):
    seam.check_version()
    seam.check()


def test_the_runtime_client_that_is_installed_is_known():
    """With an extension beside it that is not its own, as in a function's process."""
    script = (
        "import sys, types;"
        " sys.modules['runtime_client'] = types.SimpleNamespace(initialize_client=print);"
        " from lampwork.runtime.awslambdaric_seam import AWSLAMBDARIC;"
        " AWSLAMBDARIC.check_version(); AWSLAMBDARIC.check_or_exit()"
    )

    assert _python(script).stderr == ""


@pytest.mark.parametrize(
    "seam", [MOTO, WEBSOCKETS, FAKEREDIS, AWSLAMBDARIC], ids=lambda each: each.package
)
def test_the_known_versions_are_the_required_ones(seam: Seam):
    project = tomllib.loads((ROOT / "local" / "pyproject.toml").read_text())["project"]

    assert seam.requirement in project["dependencies"]


@pytest.mark.parametrize(
    ("uses", "problem"),
    [
        ('calls=("toy.Queue.receive(self)",)', "lacks toy.Queue.receive"),
        ('calls=("toy.inner.Queue",)', "lacks toy.inner.Queue"),
        ('calls=("toys.Queue",)', "cannot be loaded (No module named 'toys')"),
        (
            'calls=("toy.Queue.send(self, message)",)',
            "has changed the parameters of toy.Queue.send to (self, body, group)",
        ),
        (
            'calls=("toy.opened(queue, mode)",)',
            "has changed the parameters of toy.opened to (queue, mode, buffering)",
        ),
        (
            'replaces=("toy.Queue.send(self, body)",)',
            "has changed the parameters of toy.Queue.send to (self, body, group)",
        ),
        ('specimens=(Specimen("toy.Queue", (), ("name",)),)', "lacks toy.Queue.name"),
        ('specimens=(Specimen("toy.Topic", (), ()),)', "lacks toy.Topic"),
        (
            'specimens=(Specimen("toy.Queue", ("name",), ()),)',
            "has changed toy.Queue (Queue() takes no arguments)",
        ),
    ],
)
def test_a_missing_or_changed_name_is_reported_in_one_line(tmp_path: Path, uses: str, problem: str):
    (tmp_path / "toy.py").write_text(MODULE)

    ended = _python(SEAM.format(uses=uses), tmp_path)

    assert ended.returncode == EXIT_STATUS
    assert re.fullmatch(
        rf"{UNFIT}moto [\d.]+ {re.escape(problem)}: Lampwork needs 5\.2\.5 or later, below 5\.3\."
        r" Install such a version: pip install 'moto>=5\.2\.5,<5\.3'\n",
        ended.stderr,
    )


def test_an_unchanged_name_is_not_reported(tmp_path: Path):
    (tmp_path / "toy.py").write_text(MODULE)
    uses = (
        'calls=("toy.Queue", "toy.Queue.send(self, body, *, group)"),'
        ' replaces=("toy.opened(queue, mode, buffering)",),'
        ' specimens=(Specimen("toy.Queue", (), ("send",)),)'
    )

    ended = _python(SEAM.format(uses=uses), tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("floor", "ceiling", "is_known"),
    [("1", "99", True), ("99", "100", False), ("1", "2", False), ("5.2.5", "5.3", True)],
)
def test_a_version_is_known_from_its_floor_to_below_its_ceiling(
    floor: str, ceiling: str, is_known: bool
):
    seam = Seam("moto", floor, ceiling)

    if is_known:
        seam.check_version()
    else:
        with pytest.raises(UnknownVersion, match=rf"is installed: Lampwork needs {floor} or"):
            seam.check_version()


def test_a_package_that_is_not_installed_is_not_known():
    with pytest.raises(UnknownVersion, match=r"^nowhere-to-be-found is not installed"):
        Seam("nowhere-to-be-found", "1", "2").check_version()


def _python(script: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(LAMPWORK.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )


def use(project: SampleProject, *services: str) -> None:
    config = f"[tool.lampwork]\nport = 0\nservices = {list(services)}\n"
    (project.root / "pyproject.toml").write_text(config)


# Takes a name away from a module when that is loaded, in every process of an environment.
WITHOUT = """\
import sys
from importlib.machinery import PathFinder

class Without:
    def find_spec(self, name, path=None, target=None):
        if name != {module!r}:
            return None
        spec = PathFinder.find_spec(name, path)
        load = spec.loader.exec_module
        def load_and_delete(module):
            load(module)
            delattr(module, {name!r})
        spec.loader.exec_module = load_and_delete
        return spec

sys.meta_path.insert(0, Without())
"""


class Environment:
    """A venv with the packages of this one, except for what a test changes."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.python = folder / "bin" / "python"
        (self._packages,) = folder.glob("lib/python*/site-packages")
        here = sysconfig.get_path("purelib")
        (self._packages / "other.pth").write_text(f"import site; site.addsitedir({here!r})\n")

    def install(self, package: str, version: str) -> None:
        """Make the metadata of a package name this version."""
        metadata = self._packages / f"{package}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")

    def remove(self, module: str, name: str) -> None:
        without = WITHOUT.format(module=module, name=name)
        (self._packages / "sitecustomize.py").write_text(without)

    def run(self, project: SampleProject, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.python, "-m", "lampwork", *arguments],
            cwd=project.root,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("venv"))


@pytest.mark.parametrize(
    ("package", "version"),
    [("moto", "5.2.4"), ("moto", "5.3.0"), ("awslambdaric", "3.1.0"), ("websockets", "16.1")],
)
def test_up_ends_before_it_starts_anything_with_a_version_it_does_not_know(
    project: SampleProject, environment: Environment, package: str, version: str
):
    environment.install(package, version)
    use(project, "aws")

    ended = environment.run(project, "up")

    assert ended.returncode == 1
    assert re.fullmatch(
        rf"Error: {package} {version} is installed: Lampwork needs \S+ or later, below \S+\."
        rf" Install such a version: pip install '{package}\S*>=.*,<.*'\n",
        ended.stderr,
    )
    assert "is up" not in ended.stdout
    assert project.left_in_data() == set()


def test_up_ends_when_a_name_of_moto_is_missing(project: SampleProject, environment: Environment):
    environment.remove("moto.s3.notifications", "_invoke_awslambda")
    use(project, "aws")

    ended = environment.run(project, "up")

    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert re.search(r"Error: moto \S+ lacks moto.s3.notifications._invoke_awslambda: ", said)
    assert said.count("_invoke_awslambda") == 1
    assert "Traceback" not in said
    assert project.left_in_data() == set()


def test_up_ends_when_a_name_of_moto_is_missing_that_a_dynamic_reference_waits_for(
    project: SampleProject, environment: Environment
):
    environment.remove("moto.s3.notifications", "_invoke_awslambda")
    project.edit("template.yaml", lambda text: text.replace("template}", "'{{resolve:ssm:name}}'}"))
    use(project, "aws")

    ended = environment.run(project, "up")

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: moto ")
    assert ended.stderr.count("\n") == 1
    assert "is up" not in ended.stdout


def test_any_command_ends_when_a_name_of_websockets_is_missing(
    project: SampleProject, environment: Environment
):
    environment.remove("websockets.frames", "Opcode")

    ended = environment.run(project, "up")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"Error: websockets \S+ lacks websockets.frames.Opcode.*\n", ended.stderr)


def test_up_ends_when_a_name_of_fakeredis_is_missing(
    project: SampleProject, environment: Environment
):
    environment.remove("fakeredis", "TcpFakeServer")
    project.configure('redis = "fake"\n')

    ended = environment.run(project, "up")

    assert ended.returncode == 1
    assert re.fullmatch(r"Error: fakeredis \S+ lacks fakeredis.TcpFakeServer: .*\n", ended.stderr)


def test_a_function_says_that_a_name_of_awslambdaric_is_missing(
    project: SampleProject, environment: Environment
):
    environment.remove("awslambdaric.lambda_config", "LambdaConfigProvider")
    use(project)

    # Else the function runs on a Python without what a test has changed.
    ended = environment.run(project, "invoke", "Hello", "--python", f"{environment.python}")

    assert ended.returncode == 1
    assert "lacks awslambdaric.lambda_config.LambdaConfigProvider: Lampwork" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr

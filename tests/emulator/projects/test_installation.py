import subprocess
from pathlib import Path

from tests.emulator.projects.installation import ROOT, Installation


def test_the_wheel_installs_the_command_and_all_it_needs(
    installation: Installation, tmp_path: Path
):
    version = installation.run("--version", cwd=tmp_path)

    assert version.stdout.startswith("lampwork ")
    assert version.stderr == ""


def test_it_is_installed_without_this_repository(installation: Installation, tmp_path: Path):
    where = "import lampwork, importlib.util as u; print(lampwork.__file__, u.find_spec('shared'))"

    finished = subprocess.run(
        [installation.venv / "bin" / "python", "-c", where],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert finished.stdout.startswith(str(installation.venv))
    assert finished.stdout.split()[1] == "None"
    assert str(ROOT / "local") not in finished.stdout

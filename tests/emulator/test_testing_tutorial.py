"""docs/emulator/testing.md, run as it stands in an empty folder by a pytest of its own."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "emulator" / "testing.md"
# A file's name at the start of a line, and the block of code that comes next.
FILE = re.compile(r"^`([\w./]+)`:.*?\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_tutorial_passes_in_an_empty_folder(tmp_path: Path) -> None:
    files = dict(FILE.findall(PAGE.read_text()))
    assert files.keys() == {"template.yaml", "orders.py", "test_orders.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "lampwork.toml").touch()

    plugin = ["-p", "lampwork.pytest_plugin", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{files['test_orders.py'].count('def test_')} passed" in ran.stdout

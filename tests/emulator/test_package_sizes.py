"""Functions that are too large for Lambda are named with their size.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from dataclasses import replace
from pathlib import Path

from lampwork.app.packages.package_sizes import MOST_BYTES, too_large
from lampwork.stack.model import Function
from tests.emulator.lampwork_process import SampleProject


def sparse(file: Path, size: int) -> None:
    """A file of this size that takes no room on the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.truncate(size)


def test_code_packages_and_layers_count_together(tmp_path: Path):
    sparse(tmp_path / "code" / "data.bin", MOST_BYTES - 2)
    sparse(tmp_path / "code" / ".venv" / "large.bin", MOST_BYTES)
    sparse(tmp_path / "layer" / "python" / "a.py", 1)
    sparse(tmp_path / "requirements" / "b.py", 1)
    app = Function("App", "app", "a.b", tmp_path / "code", layers=(tmp_path / "layer",))
    app = replace(app, requirements=tmp_path / "requirements", template=Path("t.yaml"), line=3)

    assert list(too_large([app])) == []
    sparse(tmp_path / "requirements" / "b.py", 2)
    assert list(too_large([app])) == [
        "t.yaml:3: App has 262,144,001 bytes of code, packages and layers; Lambda takes"
        " 262,144,000, which is 250 MB."
    ]
    assert list(too_large([replace(app, is_image=True)])) == []


def test_a_function_that_is_too_large_is_named_at_the_start(tmp_path: Path):
    project = SampleProject.create(tmp_path)
    sparse(tmp_path / "model.bin", MOST_BYTES)
    try:
        project.up().until("Hello has 262,1")
    finally:
        project.close()

"""What `make build` packs fits Lambda, whatever Python and machine it is built on."""

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pydantic_core
import pytest

from local import bundle, bundle_check
from tests.conftest import ROOT

LIBRARY = next(Path(pydantic_core.__file__).parent.glob("*.so"))


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    for file in (
        *("package/__init__.py", "package/__init__.pyi", "package/core.h", "package/tests/test.py"),
        *("package-1.0.dist-info/METADATA", "package-1.0.dist-info/RECORD", "bin/program"),
        *("botocore/data/s3/api.json", "botocore/data/ec2/api.json", "botocore/data/_retry.json"),
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    return tmp_path


def names(folder: Path) -> Iterator[str]:
    return (str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def test_what_functions_never_read_is_left_out(layer: Path):
    bundle.strip(layer)

    assert set(names(layer)) == {
        "package/__init__.py",
        "package-1.0.dist-info/METADATA",
        "botocore/data/s3/api.json",
        "botocore/data/_retry.json",
    }


def test_a_library_without_symbols_works_as_before(tmp_path: Path):
    library = tmp_path / "pydantic_core" / LIBRARY.name
    shutil.copytree(LIBRARY.parent, library.parent)
    with library.open("ab") as file:
        file.write(b"symbols" * 1000)
    before = library.stat().st_size
    bundle.drop_symbols(library)

    assert library.stat().st_size <= before - 7000
    program = "import pydantic_core; print(pydantic_core.from_json('[1]'), pydantic_core.__file__)"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["[1]", str(library.parent / "__init__.py")]


def test_a_file_that_is_no_library_stays_as_it_is(tmp_path: Path):
    script = tmp_path / "linker.so"
    script.write_text("INPUT(other.so)")
    bundle.drop_symbols(script)
    assert script.read_text() == "INPUT(other.so)"


def test_the_data_of_each_service_that_functions_call_is_packed():
    called = {
        line.partition('client("')[2].partition('"')[0]
        for part in bundle.CODE
        for file in (ROOT / part).rglob("*.py")
        for line in file.read_text().splitlines()
        if 'client("' in line
    }
    assert called <= bundle.SERVICES


def test_wheels_are_those_of_the_templates_runtime():
    template = (ROOT / "template.yaml").read_text()
    assert f"Runtime: python{bundle.PYTHON}" in template
    assert "manylinux_2_34_aarch64" in list(bundle.platforms("arm64"))
    makefile = (ROOT / "Makefile").read_text()
    assert f"--python-version {bundle.PYTHON} --python-platform aarch64-manylinux_2_34" in makefile


def test_the_layers_have_the_versions_that_are_tested():
    def pinned(*files: str) -> set[str]:
        text = "\n".join((ROOT / "requirements" / each).read_text() for each in files)
        return {line.split()[0] for line in text.splitlines() if "==" in line}

    assert pinned("lambda.lock", "painting.lock") <= pinned("runtime.lock")


def test_an_edit_makes_the_packed_code_anew(tmp_path: Path):
    made, source = tmp_path / "made", tmp_path / "source.py"
    source.write_text("")
    assert not bundle.is_newer(made, [source])
    made.mkdir()
    assert bundle.is_newer(made, [source])
    made_at = made.stat().st_mtime
    source.write_text("changed")
    os.utime(source, (made_at + 1, made_at + 1))
    assert not bundle.is_newer(made, [source])


@pytest.mark.parametrize(
    ("machine", "text", "problem"),
    [
        (183, b"GLIBC_2.17", None),
        (62, b"GLIBC_2.17", "it is not for arm64"),
        (183, b"GLIBC_2.38", "it needs glibc 2.38; Lambda has 2.34"),
    ],
)
def test_a_library_that_lambda_cannot_load_is_named(
    tmp_path: Path, machine: int, text: bytes, problem: str | None
):
    library = tmp_path / "core.abi3.so"
    library.write_bytes(b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + text)
    found = list(bundle_check.problems(tmp_path, "arm64"))
    assert found == ([f"core.abi3.so: {problem}"] if problem else [])


@pytest.mark.parametrize(("flags", "is_valid"), [(1, True), (0, False), (3, False)])
def test_a_compiled_file_that_depends_on_dates_is_named(tmp_path: Path, flags: int, is_valid: bool):
    (tmp_path / "module.py").write_text("")
    compiled = tmp_path / "__pycache__" / f"module.{bundle_check.TAG}.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(struct.pack("<II", 0, flags))
    assert (not list(bundle_check.problems(tmp_path, "arm64"))) is is_valid


def test_a_module_that_is_not_compiled_is_named(tmp_path: Path):
    (tmp_path / "module.py").write_text("")
    assert list(bundle_check.problems(tmp_path, "arm64")) == [
        "module.py: it is not compiled for Python 3.13"
    ]

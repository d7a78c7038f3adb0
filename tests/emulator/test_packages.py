"""Packages that come with a function: layers, and requirements of its own."""

import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lampwork.app.packages.installations import Installations
from lampwork.errors import TemplateError
from lampwork.stack.model import Function
from tests.emulator.lampwork_process import SampleProject
from tests.emulator.runtime_fixtures import Running, function, running, write
from tests.emulator.stacks import read_text

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
SAYS = """
    import greeter

    def handler(event, context):
        return greeter.WORD
"""
LAYERED = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Lower: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: lower}}
      Upper: {Type: AWS::Lambda::LayerVersion, Properties: {Content: upper.zip}}
      Work:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          Runtime: python3.11
          Layers: [!Ref Lower, !Ref Upper, "arn:aws:lambda:eu-west-1:1:layer:Other:7"]
"""


def wheel(folder: Path, word: str) -> None:
    """A wheel of a package `greeter`, which can be installed without a network."""
    info = "greeter-1.0.dist-info"
    with zipfile.ZipFile(folder / "greeter-1.0-py3-none-any.whl", "w") as file:
        file.writestr("greeter.py", f"WORD = {word!r}\n")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any"
        )
        file.writestr(f"{info}/RECORD", "")


def asking(folder: Path, word: str, name: str = "app"):
    """A function in a folder of its own that requires a `greeter` that says this word."""
    asks = function(folder, SAYS, name=name)
    wheel(folder, word)
    (folder / "requirements.txt").write_text("# ours\n./greeter-1.0-py3-none-any.whl\n")
    return asks


def project(folder: Path, word: str, *, name: str = "greeter", asks: str = "") -> None:
    """A local project whose module says this word."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / f"{name}.py").write_text(f"WORD = {word!r}\n")
    (folder / "pyproject.toml").write_text(f"""
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "1"
dependencies = [{repr(asks) if asks else ""}]
[tool.hatch.metadata]
allow-direct-references = true
[tool.hatch.build.targets.wheel]
sources = ["src"]
only-include = ["src/{name}.py"]
""")


@pytest.fixture
def without_network(monkeypatch):
    """Local projects are built with the hatchling of this environment."""
    monkeypatch.setenv("UV_NO_BUILD_ISOLATION", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")


@dataclass
class Installing(Running):
    """Functions whose packages are installed; `said` is what the user is told."""

    installations: Any = None
    said: Any = None


@asynccontextmanager
async def installing(root: Path, *functions: Function, **options: Any) -> AsyncIterator[Installing]:
    said: list[str] = []
    installations = Installations(root, root / "data", said.append)
    assigned = installations.assign({each.logical_id: each for each in functions})
    async with running(*assigned.values(), packages=installations, **options) as run:
        yield Installing(run.functions, run.lines, run.changed, installations, said)
    await installations.stop()


def test_layers_of_the_template_are_folders_or_zip_files(tmp_path):
    write(tmp_path / "lower" / "python", "greeter", "")
    with zipfile.ZipFile(tmp_path / "upper.zip", "w") as file:
        file.writestr("python/greeter.py", "")

    stack = read_text(tmp_path, LAYERED)

    lower, upper = stack.functions["Work"].layers
    assert lower == tmp_path / "lower"
    assert (upper / "python" / "greeter.py").is_file()
    assert stack.functions["Work"].packages == (
        upper / "python" / "lib" / "python3.11" / "site-packages",
        lower / "python" / "lib" / "python3.11" / "site-packages",
        upper / "python",
        lower / "python",
    )
    (elsewhere,) = stack.ignored
    assert elsewhere.type == "layer arn:aws:lambda:eu-west-1:1:layer:Other:7"
    assert "install its packages where Lampwork is" in elsewhere.reason


@pytest.mark.parametrize("cold", [False, True])
async def test_a_layer_that_sam_would_build_has_its_own_modules_and_requirements(tmp_path, cold):
    write(tmp_path / "shared", "ours", "import greeter; WORD = greeter.WORD + ' from ours'")
    wheel(tmp_path / "shared", "hello")
    (tmp_path / "shared" / "requirements.txt").write_text("./greeter-1.0-py3-none-any.whl\n")
    write(tmp_path / "code", "app", "import ours\ndef handler(event, context): return ours.WORD")
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Shared:
            Type: AWS::Serverless::LayerVersion
            Properties: {ContentUri: shared/}
            Metadata: {BuildMethod: python3.11}
          Work:
            Type: AWS::Serverless::Function
            Properties:
              {Handler: app.handler, Runtime: python3.11, CodeUri: code, Layers: [!Ref Shared]}
        """

    functions = read_text(tmp_path, template).functions

    async with installing(tmp_path, *functions.values(), cold=cold) as run:
        assert await run.result("Work") == "hello from ours"


@pytest.mark.parametrize("method", ["makefile", "python3.11"])
async def test_a_layer_that_sam_has_built_is_used_as_it_is(tmp_path, method):
    """Its template keeps the metadata by which it was built."""
    built = tmp_path / ".aws-sam" / "build"
    write(built / "Shared" / "python", "greeter", "WORD = 'hello from the built layer'")
    write(built / "Work", "app", "import greeter\ndef handler(event, context): return greeter.WORD")
    (tmp_path / ".aws-sam" / "build.toml").write_text("# This file is auto generated by SAM CLI\n")
    template = f"""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Shared:
            Type: AWS::Serverless::LayerVersion
            Properties: {{ContentUri: Shared}}
            Metadata: {{BuildMethod: {method}}}
          Work:
            Type: AWS::Serverless::Function
            Properties:
              {{Handler: app.handler, Runtime: python3.11, CodeUri: Work, Layers: [!Ref Shared]}}
        """

    functions = read_text(built, template).functions

    async with installing(tmp_path, *functions.values()) as run:
        assert await run.result("Work") == "hello from the built layer"


async def test_a_functions_own_code_hides_its_layers_and_an_upper_layer_a_lower_one(tmp_path):
    for layer in ("lower", "upper"):
        for module in ("greeter", "shared"):
            write(tmp_path / layer / "python", module, f"WORD = {layer!r}")
    write(tmp_path / "lower" / "python", "only", "WORD = 'lower'")
    write(tmp_path / "code", "shared", "WORD = 'own'")
    work = function(
        tmp_path / "code",
        """
        import greeter, only, shared

        def handler(event, context):
            return [shared.WORD, greeter.WORD, only.WORD]
        """,
        layers=(tmp_path / "lower", tmp_path / "upper"),
    )

    async with running(work) as run:
        assert await run.result() == ["own", "upper", "lower"]


async def test_functions_see_the_version_in_their_own_layer_and_its_edits(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name / "python", "greeter", f"WORD = {name!r}")
    one = function(tmp_path / "code", SAYS, name="a", layers=(tmp_path / "one",))
    two = function(tmp_path / "code", SAYS, name="b", layers=(tmp_path / "two",))

    async with running(one, two) as run:
        before = [await run.result("a"), await run.result("b")]
        write(tmp_path / "one" / "python", "greeter", "WORD = 'new'")
        await run.functions.reload({each.logical_id: each for each in (one, two)})
        after = [await run.result("a"), await run.result("b")]

    assert (before, after) == (["one", "two"], ["new", "two"])


@pytest.mark.parametrize("cold", [False, True])
async def test_each_function_has_what_its_own_requirements_ask_for(tmp_path, cold):
    a, b = asking(tmp_path / "a", "hello", "a"), asking(tmp_path / "b", "hallo", "b")

    async with installing(tmp_path, a, b, cold=cold) as run:
        assert [await run.result("a"), await run.result("b")] == ["hello", "hallo"]

    assert len(run.said) == 4
    assert "a/requirements.txt asks for, for A" in run.said[0]


async def test_only_what_a_function_that_runs_asks_for_is_installed(tmp_path):
    a, b = asking(tmp_path / "a", "hello", "a"), asking(tmp_path / "b", "hallo", "b")
    (tmp_path / "b" / "requirements.txt").write_text("./greeter-1.0-py3-none-any.whl\nabsent==1\n")

    async with installing(tmp_path, a, b) as run:
        assert await run.result("a") == "hello"

    assert "b/requirements.txt" not in "".join(run.said)


async def test_a_failure_concerns_the_functions_that_ask_for_it_and_is_said_once(tmp_path):
    a, b = asking(tmp_path / "a", "hello", "a"), asking(tmp_path / "b", "hallo", "b")
    (tmp_path / "b" / "requirements.txt").write_text("--no-index\nabsent==1\n")

    async with installing(tmp_path, a, b, install_ahead=True) as run:
        assert await run.result("a") == "hello"
        errors = [await run.error("b") for _ in range(2)]

    # As awslambdaric reports a module whose packages are missing, which is what AWS would say.
    assert [error["errorType"] for error in errors] == ["Runtime.ImportModuleError"] * 2
    assert errors[0]["errorMessage"].startswith("Unable to import module 'b': ")
    assert "b/requirements.txt cannot be installed by uv" in errors[0]["errorMessage"]
    assert len([text for text in run.said if "absent" in text]) == 1
    logged = [line for name, line in run.lines if name == "b" and line.startswith("[ERROR]")]
    assert "b/requirements.txt cannot be installed" in logged[0]
    assert not [path for path in (tmp_path / "data").rglob("*.tmp")]


async def test_what_could_not_be_installed_is_tried_again_when_it_is_saved(tmp_path):
    app = asking(tmp_path / "app", "hello")
    (tmp_path / "app" / "requirements.txt").write_text("./absent-1.0-py3-none-any.whl\n")

    async with installing(tmp_path, app) as run:
        missing = await run.error()
        (tmp_path / "app" / "requirements.txt").write_text("./greeter-1.0-py3-none-any.whl\n")
        await run.functions.reload(run.installations.assign({"App": app}))
        assert await run.result() == "hello"

    assert "app/requirements.txt:1: there is no ./absent-1.0" in missing["errorMessage"]


async def test_what_is_installed_is_not_installed_again(tmp_path):
    app = asking(tmp_path / "app", "hello")

    for _ in range(2):
        async with installing(tmp_path, app) as run:
            assert await run.result() == "hello"

    assert run.said == []


async def test_files_that_ask_for_the_same_share_one_folder(tmp_path):
    (tmp_path / "wheels").mkdir()
    wheel(tmp_path / "wheels", "hello")
    a, b = function(tmp_path / "a", SAYS, name="a"), function(tmp_path / "b", SAYS, name="b")
    for folder, comment in (("a", "# of a"), ("b", "")):
        asked = f"--no-index\n--find-links ../wheels\ngreeter  {comment}\n"
        (tmp_path / folder / "requirements.txt").write_text(asked)

    async with installing(tmp_path, a, b) as run:
        assert [await run.result("a"), await run.result("b")] == ["hello", "hello"]

    assert [text for text in run.said if "asks for" in text] == [
        f"Installing what {tmp_path}/a/requirements.txt asks for, for A and B."
    ]


def test_the_projects_own_requirements_are_those_of_its_environment(tmp_path):
    app = asking(tmp_path, "hello")

    assert Installations(tmp_path, tmp_path / "data", print).assign({"App": app}) == {"App": app}


@pytest.mark.parametrize("held", ["greeter-1.0.dist-info/METADATA", "greeter.py", "Greeter/x.py"])
def test_a_folder_that_holds_its_packages_needs_no_installation(tmp_path, held):
    app = asking(tmp_path / "app", "hello")
    (tmp_path / "app" / "requirements.txt").write_text("greeter==1.0  # vendored\n")
    (tmp_path / "app" / held).parent.mkdir(exist_ok=True)
    (tmp_path / "app" / held).touch()

    assert Installations(tmp_path, tmp_path / "data", print).assign({"App": app}) == {"App": app}


@pytest.mark.parametrize("line", [".", "-e ."])
def test_a_function_that_is_a_project_itself_gets_what_it_asks_for(tmp_path, line):
    app = asking(tmp_path / "app", "hello")
    project(tmp_path / "app", "hello")
    (tmp_path / "app" / "greeter.egg-info").mkdir()
    (tmp_path / "app" / "requirements.txt").write_text(f"{line}\n")

    installations = Installations(tmp_path, tmp_path / "data", print)

    assert installations.assign({"App": app})["App"].requirements is not None


def test_what_sam_has_built_needs_no_installation(tmp_path):
    """Its requirements.txt is the source's, and a path in it leads nowhere from there."""
    app = asking(tmp_path / ".aws-sam" / "build" / "App", "hello")
    (app.code_dir / "requirements.txt").write_text("-e ../shared\n")
    (app.code_dir / "greeter-1.0.dist-info").mkdir()

    assert Installations(tmp_path, tmp_path / "data", print).assign({"App": app}) == {"App": app}


async def test_an_editable_project_of_requirements_runs_from_where_it_lies(
    tmp_path, without_network
):
    app = function(tmp_path / "app", SAYS)
    project(tmp_path / "shared", "hello")
    (tmp_path / "app" / "requirements.txt").write_text("-e ../shared\n")

    async with installing(tmp_path, app) as run:
        before = await run.result()
        project(tmp_path / "shared", "hallo")
        await run.functions.reload(run.installations.assign({"App": app}))
        after = await run.result()

    assert (before, after) == ("hello", "hallo")
    assert len(run.said) == 2
    assert tmp_path / "shared" / "pyproject.toml" in run.installations.files


async def test_a_project_that_another_one_asks_for_is_installed_again_when_it_changes(
    tmp_path, without_network
):
    app = function(tmp_path / "app", SAYS)
    project(tmp_path / "core", "hello")
    project(tmp_path / "shared", "", name="other", asks=f"greeter @ {(tmp_path / 'core').as_uri()}")
    (tmp_path / "app" / "requirements.txt").write_text("../shared\n")

    async with installing(tmp_path, app) as run:
        before = await run.result()
        project(tmp_path / "core", "hallo!")
        assert tmp_path / "core" / "src" / "greeter.py" in run.installations.files
        await run.functions.reload(run.installations.assign({"App": app}))
        after = await run.result()

    assert (before, after) == ("hello", "hallo!")


def test_saved_requirements_are_installed_and_take_effect(tmp_path):
    sample = SampleProject.create(tmp_path)
    asking(tmp_path / "own", "hello")
    (tmp_path / "own" / "requirements.txt").unlink()
    own = "{Handler: app.handler, CodeUri: own}"
    sample.edit("template.yaml", lambda text: text.replace("{Handler: hello.fail}", own))
    try:
        lampwork = sample.up()
        lampwork.origin()
        missing = sample.run("invoke", "Fail")
        (tmp_path / "own" / "requirements.txt").write_text("./greeter-1.0-py3-none-any.whl\n")
        lampwork.until("Reloaded")
        installed = sample.run("invoke", "Fail")
    finally:
        sample.close()

    assert "No module named 'greeter'" in missing.stdout
    assert f"name its package in {tmp_path}/own/requirements.txt" in missing.stderr
    assert installed.stdout == '"hello"\n'


def test_requirements_that_ask_for_nothing_need_no_installer(tmp_path):
    asks = asking(tmp_path / "app", "hello")
    (tmp_path / "app" / "requirements.txt").write_text("# nothing yet\n\n--no-index\n")

    assert Installations(tmp_path, tmp_path, print).assign({"App": asks}) == {"App": asks}


async def test_code_may_be_a_zip_file_or_inline_in_the_template(tmp_path):
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as file:
        file.writestr("app.py", "def handler(event, context): return 'from the zip'")
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Zipped:
            Type: AWS::Serverless::Function
            Properties: {Handler: app.handler, Runtime: python3.11, CodeUri: code.zip}
          Inline:
            Type: AWS::Serverless::Function
            Properties:
              Handler: index.handler
              Runtime: python3.11
              InlineCode: |
                def handler(event, context): return 'from the template'
        """

    stack = read_text(tmp_path, template)

    async with running(*stack.functions.values()) as run:
        assert await run.result("Zipped") == "from the zip"
        assert await run.result("Inline") == "from the template"


async def test_code_may_be_one_file_alone(tmp_path):
    """`sam package` zips the file that CodeUri names: what lies beside it does not go along."""
    write(tmp_path, "beside", "WORD = 'beside'")
    write(
        tmp_path,
        "app",
        "import importlib.util\ndef handler(e, c): return importlib.util.find_spec('beside')",
    )
    template = """
        Resources:
          Work:
            Type: AWS::Lambda::Function
            Properties: {Handler: app.handler, Runtime: python3.11, Code: app.py}
        """

    stack = read_text(tmp_path, template)

    assert stack.files == (tmp_path / "app.py",)
    async with running(*stack.functions.values()) as run:
        assert await run.result("Work") is None


def test_code_that_is_neither_folder_nor_zip_is_reported_with_its_line(tmp_path):
    (tmp_path / "code.zip").write_text("not a zip")
    template = """\
        Resources:
          Work:
            Type: AWS::Lambda::Function
            Properties:
              Handler: app.handler
              Runtime: python3.11
              Code: code.zip
        """

    with pytest.raises(
        TemplateError, match=r"template.yaml:\d+: .* is no zip file, as its name says"
    ):
        read_text(tmp_path, template)

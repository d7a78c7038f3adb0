"""Packages that come with a function: layers, and requirements of its own."""

import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from lampwork.app.project.requirements import with_requirements
from lampwork.errors import StartError, TemplateError
from tests.emulator.lampwork_process import SampleProject
from tests.emulator.runtime_fixtures import function, running, write
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
    functions = with_requirements(functions, tmp_path, tmp_path / "data", lambda text: None)

    async with running(*functions.values(), cold=cold) as run:
        assert await run.result("Work") == "hello from ours"


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
    said: list[str] = []
    asked = {
        each.logical_id: each
        for each in (asking(tmp_path / "a", "hello", "a"), asking(tmp_path / "b", "hallo", "b"))
    }

    functions = with_requirements(asked, tmp_path, tmp_path / "data", said.append)

    async with running(*functions.values(), cold=cold) as run:
        assert [await run.result("a"), await run.result("b")] == ["hello", "hallo"]
    assert len(said) == 2
    assert "a/requirements.txt asks for, for A" in said[0]


def test_what_is_installed_is_not_installed_again(tmp_path):
    asked = {"App": asking(tmp_path / "app", "hello")}
    said: list[str] = []

    first = with_requirements(asked, tmp_path, tmp_path / "data", said.append)
    second = with_requirements(asked, tmp_path, tmp_path / "data", said.append)

    assert first == second
    assert len(said) == 1


def test_the_projects_own_requirements_are_those_of_its_environment(tmp_path):
    asked = {"App": asking(tmp_path, "hello")}

    assert with_requirements(asked, tmp_path, tmp_path / "data", print) == asked


def test_saved_requirements_are_installed_and_take_effect(tmp_path):
    project = SampleProject.create(tmp_path)
    asking(tmp_path / "own", "hello")
    (tmp_path / "own" / "requirements.txt").unlink()
    own = "{Handler: app.handler, CodeUri: own}"
    project.edit("template.yaml", lambda text: text.replace("{Handler: hello.fail}", own))
    try:
        lampwork = project.up()
        lampwork.origin()
        missing = project.run("invoke", "Fail")
        (tmp_path / "own" / "requirements.txt").write_text("./greeter-1.0-py3-none-any.whl\n")
        lampwork.until("Reloaded")
        installed = project.run("invoke", "Fail")
    finally:
        project.close()

    assert "No module named 'greeter'" in missing.stdout
    assert installed.stdout == '"hello"\n'


def test_requirements_that_ask_for_nothing_need_no_installer(tmp_path):
    asks = replace(asking(tmp_path / "app", "hello"))
    (tmp_path / "app" / "requirements.txt").write_text("# nothing yet\n\n")

    assert with_requirements({"App": asks}, tmp_path, tmp_path, print) == {"App": asks}


def test_requirements_that_cannot_be_installed_are_reported_and_leave_nothing(tmp_path):
    asks = asking(tmp_path / "app", "hello")
    (tmp_path / "app" / "requirements.txt").write_text("./absent-1.0-py3-none-any.whl\n")

    with pytest.raises(StartError, match=r"(?s)requirements.txt cannot be installed by .*absent"):
        with_requirements({"App": asks}, tmp_path, tmp_path / "data", lambda text: None)

    assert list((tmp_path / "data" / "requirements").iterdir()) == []


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

"""Functions of Node.js, under AWS's runtime client for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lampwork.app.packages.node_client import NodeClient
from lampwork.runtime.packages import NotInstalled
from lampwork.runtime.world.editors_paths import with_editors_paths
from lampwork.stack.handler_check import HandlerProblems
from lampwork.stack.model import Function
from tests.emulator.lampwork_process import SampleProject
from tests.emulator.stacks import read_text
from tests.skips import needs_node

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: nodejs20.x, Timeout: 10}}
Resources:
  Module:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: js, Handler: app.handler, Layers: [!Ref Layer]}
  Callback: {Type: AWS::Serverless::Function, Properties: {CodeUri: js, Handler: lib/old.handler}}
  Broken: {Type: AWS::Serverless::Function, Properties: {CodeUri: js, Handler: broken.handler}}
  Large: {Type: AWS::Serverless::Function, Properties: {CodeUri: js, Handler: lib/old.large}}
  Inline:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      InlineCode: "exports.handler = async () => { throw new TypeError('oh'); }"
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layer}
"""
FILES = {
    "js/app.mjs": """\
        import { createRequire } from "node:module";
        const layered = createRequire(import.meta.url)("layered");
        let calls = 0;
        export const handler = async (event, context) => {
          console.log("asked", event.name);
          calls += 1;
          return {
            file: import.meta.url, calls, layered, name: context.functionName,
            variable: process.env.LAMBDA_TASK_ROOT, event,
          };
        };
    """,
    "js/lib/old.js": """\
        exports.handler = (event, context, callback) => {
          setTimeout(() => callback(null, "later"), 20);
        };
        exports.large = async () => "x".repeat(7 * 1024 * 1024);
    """,
    "js/broken.js": "throw new RangeError('at its load');",
    "layer/nodejs/node_modules/layered/index.js": "module.exports = 'from the layer';",
}


@pytest.fixture(scope="module")
def invoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`lampwork invoke` in a project; with the answer, it gives what was printed."""
    folder = tmp_path_factory.mktemp("node")
    project = SampleProject.create(folder)
    (folder / "template.yaml").write_text(TEMPLATE)
    project.edit("pyproject.toml", lambda text: text.replace('"redis"', ""))
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    project.up().origin()

    def invoked(function: str, event: object = None) -> str:
        return project.run("invoke", function, "-e", "-", stdin=json.dumps(event)).stdout

    yield invoked
    project.close()


@needs_node
def test_a_function_of_node_runs_with_its_layer_at_lambdas_paths(invoke):
    answers = [json.loads(invoke("Module", {"name": f"{number}"})) for number in (1, 2)]

    assert answers == [
        {
            "file": "file:///var/task/app.mjs",
            "calls": number,
            "layered": "from the layer",
            "name": "local-Module",
            "variable": "/var/task",
            "event": {"name": f"{number}"},
        }
        for number in (1, 2)
    ]


@needs_node
def test_a_callback_answers_once_the_event_loop_is_empty(invoke):
    """https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html"""
    assert json.loads(invoke("Callback")) == "later"


@needs_node
@pytest.mark.parametrize(
    ("function", "type", "message"),
    [("Inline", "TypeError", "oh"), ("Broken", "RangeError", "at its load")],
)
def test_an_error_has_its_type_message_and_stack(invoke, function, type, message):
    """https://docs.aws.amazon.com/lambda/latest/dg/nodejs-exceptions.html"""
    error = json.loads(invoke(function))

    assert (error["errorType"], error["errorMessage"]) == (type, message)
    assert error["trace"][0] == f"{type}: {message}"


@needs_node
def test_an_answer_that_is_too_large_is_refused(invoke):
    assert json.loads(invoke("Large"))["errorType"] == "Function.ResponseSizeTooLarge"


async def test_a_machine_without_node_says_so_to_each_request(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    client = NodeClient(tmp_path, said.append)

    for _ in range(2):
        with pytest.raises(NotInstalled, match="which is not installed here"):
            await client.install()
    assert len(said) == 1


def problem(function: Function) -> list[str]:
    said: list[str] = []
    HandlerProblems(said.append).tell([function])
    return said


def test_a_handler_without_a_module_and_packages_that_are_missing_are_told(tmp_path):
    template = tmp_path / "template.yaml"
    app = Function("App", "app", "src/app.handler", tmp_path, "nodejs20.x", template=template)
    (tmp_path / "src").mkdir()

    (missing,) = problem(app)
    assert missing == (
        f"{template}:0: the handler src/app.handler of App has no module app.js or .mjs in"
        f" {tmp_path}/src; correct its Handler or CodeUri."
    )
    (tmp_path / "src" / "app.ts").touch()
    assert "is TypeScript: run `sam build`" in problem(app)[0]
    (tmp_path / "src" / "app.mjs").touch()
    assert problem(app) == []
    (tmp_path / "package.json").write_text('{"dependencies": {"absent": "1"}}')
    assert problem(app) == [f"{tmp_path}: run `npm install` here; App needs absent."]


def test_the_terminal_shows_the_files_of_a_stack_where_an_editor_finds_them(tmp_path):
    app = Function("App", "app", "app.handler", tmp_path, "nodejs20.x")

    assert with_editors_paths("at handler (/var/task/app.js:1:7)", app) == (
        f"at handler ({tmp_path}/app.js:1:7)"
    )
    assert with_editors_paths("at file:///var/task/app.mjs:3:9", app) == (
        f"at file://{tmp_path}/app.mjs:3:9"
    )


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("exports.handler = async () => 1;", "index.js"),
        ("import fs from 'node:fs';", "index.mjs"),
        ("export const handler = async () => 1;", "index.mjs"),
    ],
)
def test_code_in_the_template_is_a_module_of_its_kind(tmp_path: Path, code: str, name: str):
    stack = read_text(
        tmp_path,
        f"""\
        Transform: AWS::Serverless-2016-10-31
        Resources:
          App:
            Type: AWS::Serverless::Function
            Properties: {{Runtime: nodejs20.x, Handler: index.handler, InlineCode: "{code}"}}
        """,
    )

    assert (stack.functions["App"].code_dir / name).read_text() == code

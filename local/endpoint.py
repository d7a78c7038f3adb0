"""Writes a new endpoint: `make endpoint name=tasks/favourite method=POST path=/api/v1/…`.

That is a module of functions/, its entry in template.yaml, a test, and the OpenAPI document.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
NAME = re.compile(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*")
PATH = re.compile(r"(/([A-Za-z0-9._-]+|\{[a-z][a-z0-9_]*\}))+")

MODULE = '''\
{imports}from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep

app = create_app()


@app.{verb}("{path}", status_code=204)
async def {function}({parameters}user: UserDep) -> None:
    """Say here what it does: the sentence goes into the API's description."""


handler = lambda_handler(app)
'''

TEMPLATE = """\
  {logical_id}:
    Type: AWS::Serverless::Function
    Metadata: {{BuildMethod: makefile}}
    Properties:
      Handler: functions.{room}.{module}.handler
      Events:
        Route:
          Type: HttpApi
          Properties: {{ApiId: !Ref HttpApi, Method: {method}, Path: "{path}"}}

"""

TEST = """\
from uuid import uuid4

import pytest

import functions.{room}.{module}
from shared.process.event_loop import run
from tests.http import call
from tests.task_functions import ask
from tests.tasks import make_user

pytestmark = pytest.mark.usefixtures("backend")

HANDLER = functions.{room}.{module}.handler
PATH = {example}


def test_it_answers_somebody_who_is_signed_in(backend):
    answer = ask(HANDLER, "{method}", PATH, run(make_user()))

    assert answer.status == 204


def test_it_answers_nobody_else():
    assert call(HANDLER, "{method}", PATH).status == 401
"""

NEXT = """\
Wrote functions/{name}.py: write there what it does
      template.yaml, {logical_id}: its route; add the policies that it needs
      {test}: write there what it must do
      functions/docs/openapi.json
Next:
  curl -i -X {method} http://localhost:8000{path}     (401: sign in first)
  .venv/bin/pytest {test}
  .venv/bin/pytest tests/unit   (says what else is missing, such as an error in the description)"""


class Refused(Exception):
    """What was asked for cannot be written; its text says why."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make endpoint", description=__doc__)
    parser.add_argument("--name", default="", help="the room and the module, as tasks/favourite")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--path", default="", help="as /api/v1/tasks/{task_id}/favourite")
    asked = parser.parse_args(arguments)
    try:
        sys.stdout.write(write(asked.name, asked.method.upper(), asked.path) + "\n")
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return subprocess.run([sys.executable, "-m", "local.openapi"], cwd=ROOT).returncode


def write(name: str, method: str, path: str, root: Path = ROOT) -> str:
    """Write module, route and test. Returns what there is to do next.

    Raises:
        Refused: the endpoint has no fit name, method or path, or exists already.
    """
    _check(name, method, path, root)
    room, module = name.split("/")
    logical_id = "".join(part.capitalize() for part in re.split("[/_]", name))
    parameters = re.findall(r"\{(\w+)\}", path)
    names = {
        "name": name,
        "room": room,
        "module": module,
        "logical_id": logical_id,
        "method": method,
        "path": path,
        "verb": method.lower(),
        "function": f"{module}_{room}"[:60],
        "imports": "from uuid import UUID\n\n" if parameters else "",
        "parameters": "".join(f"{each}: UUID, " for each in parameters),
        "example": _example(path),
        "test": f"tests/integration/test_{room}_{module}.py",
    }
    folder = root / "functions" / room
    folder.mkdir(exist_ok=True)
    (folder / "__init__.py").touch()
    (folder / f"{module}.py").write_text(MODULE.format(**names))
    test = TEST.format(**names)
    (root / names["test"]).write_text(
        test if parameters else test.replace("from uuid import uuid4\n\n", "")
    )
    template = root / "template.yaml"
    template.write_text(_with_entry(template.read_text(), names))
    return NEXT.format(**names)


def _check(name: str, method: str, path: str, root: Path) -> None:
    usage = (
        "make endpoint name=tasks/favourite method=POST path='/api/v1/tasks/{task_id}/favourite'"
    )
    if not NAME.fullmatch(name):
        raise Refused(f"The name {name!r} must be room/module: {usage}")
    if method not in METHODS:
        raise Refused(f"The method {method!r} must be one of {', '.join(METHODS)}: {usage}")
    if not PATH.fullmatch(path):
        raise Refused(f"The path {path!r} must begin with / and have no spaces: {usage}")
    room, module = name.split("/")
    for file in (f"functions/{name}.py", f"tests/integration/test_{room}_{module}.py"):
        if (root / file).exists():
            raise Refused(f"{file} exists already.")
    route = re.compile(rf'Method: {method}, Path: "?{re.escape(path)}"?\}}')
    if route.search((root / "template.yaml").read_text()):
        raise Refused(f"template.yaml has {method} {path} already.")


def _with_entry(template: str, names: dict[str, str]) -> str:
    """The template with this function behind the last one of its room, else behind the last one of
    all rooms; and with its role where those of all functions are listed."""
    entries = list(
        re.finditer(
            r"^  (\w+):\n    Type: AWS::Serverless::Function\n(?:(?:    .*)?\n)*", template, re.M
        )
    )
    handler = f"Handler: functions.{names['room']}."
    last = ([each for each in entries if handler in each[0]] or entries)[-1]
    end = last.start() + len(last[0].rstrip("\n")) + 1
    entry = "\n" + TEMPLATE.format(**names).rstrip("\n") + "\n"
    template = template[:end] + entry + template[end:]
    role = f"!Ref {last[1]}Role\n"
    return re.sub(
        rf"^( +- ){re.escape(role)}",
        lambda found: f"{found[0]}{found[1]}!Ref {names['logical_id']}Role\n",
        template,
        flags=re.M,
    )


def _example(path: str) -> str:
    with_ids = re.sub(r"\{\w+\}", "{uuid4()}", path)
    return f'f"{with_ids}"' if with_ids != path else f'"{path}"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

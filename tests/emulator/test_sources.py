"""All event sources implement one protocol: a new one works like the existing ones."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lampwork.triggers.registry import SOURCES
from tests.emulator import toy_source
from tests.emulator.lampwork_process import SampleProject

TOY = Path(toy_source.__file__)

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, CodeUri: .}
Resources:
  Listen: {Type: AWS::Serverless::Function, Properties: {Handler: listen.handler}}
  Other: {Type: AWS::Serverless::Function, Properties: {Handler: listen.handler}}
  Bell: {Type: "Toy::Bell", Properties: {Function: !Ref Listen, Word: ding}}
"""

LISTEN = """\
def handler(event, context):
    print("heard", event["bell"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[SampleProject]:
    project = SampleProject.create(tmp_path, program=(str(TOY),))
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "listen.py").write_text(LISTEN)
    yield project
    project.close()


def test_a_new_source_is_listed(project: SampleProject):
    listed = project.run("routes")

    assert [line.split() for line in listed.stdout.splitlines()] == [
        ["bell", "ding", "Listen"],
        ["invoke", "Other"],
    ]
    assert listed.stderr == ""


def test_a_new_source_makes_sample_events(project: SampleProject):
    made = project.run("generate-event", "bells", "ring", "--word", "dong")

    assert json.loads(made.stdout) == {"bell": "dong"}


def test_a_new_source_wakes_functions_follows_the_template_and_stops(project: SampleProject):
    lampwork = project.up()
    origin = lampwork.origin()
    lampwork.until("heard ding")

    project.edit("template.yaml", lambda text: text.replace("Word: ding", "Word: dong"))
    lampwork.until("Added: bell dong, Listen")
    lampwork.until("heard dong")

    assert "bell_rings" in httpx.get(f"{origin}/_lampwork/metrics").text
    assert lampwork.stop() == 0
    lampwork.until("The bells are silent.")


@pytest.mark.parametrize(
    "arguments", [("up", "--only", "Other"), ("start-api", "--port", "0")], ids=["only", "api"]
)
def test_a_new_source_wakes_no_function_that_is_left_out(project: SampleProject, arguments):
    lampwork = project.start(*arguments)
    lampwork.origin()
    assert lampwork.stop() == 0
    lampwork.until("The bells are silent.")

    assert not any("heard" in line or " bell " in line for line in lampwork.output)


def test_sources_differ_in_what_they_read():
    kinds = [source.trigger for source in SOURCES if source.trigger is not None]

    assert len(kinds) == len(set(kinds))

"""What the command says about a template that is wrong: one line, and exit code 1."""

import re
from pathlib import Path

import pytest

from tests.emulator.lampwork_process import TEMPLATE, SampleProject


@pytest.mark.parametrize(
    ("before", "after", "line", "problem"),
    [
        ("Resources:", "Resources: [", 6, "this is not valid here"),
        ("Environment:", "Enviroment:", 9, "property Enviroment not defined"),
        ("{COLOUR: template}", "{COLOUR: !Colour red}", 9, "unknown tag !Colour"),
        ("{COLOUR: template}", "{COLOUR: !Ref Nobody}", 9, "no resource 'Nobody'"),
        ("hello.fail}", "hello.fail, CodeUri: elsewhere}", 14, "elsewhere, which does not exist"),
        ("AWS::Serverless::Function", "AWS::Serverless::Funktion", 5, "SAM has no resource type"),
    ],
)
def test_a_wrong_template_is_reported_in_one_line(tmp_path: Path, before, after, line, problem):
    project = SampleProject.create(tmp_path)
    (tmp_path / "template.yaml").write_text(TEMPLATE.replace(before, after, 1))

    failed = project.run("up")

    printed = [each for each in failed.stderr.splitlines() + failed.stdout.splitlines() if each]
    assert failed.returncode == 1
    assert re.search(rf"^Error: {re.escape(str(tmp_path))}/template.yaml:{line}: ", printed[0])
    assert problem in printed[0]
    assert len(printed) == 1

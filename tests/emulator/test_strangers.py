import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

FUNCTION = """\
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, AllowedValues: [dev, prod]}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): return {}"
      Events: {Get: {Type: HttpApi, Properties: {Path: /hello, Method: GET}}}
  Fleet: {Type: AWS::GameLift::Fleet}
"""


def test_strangers_templates_are_read_started_and_their_faults_grouped(
    tmp_path: Path,
) -> None:
    for name, text in {
        "good/template.yaml": FUNCTION,
        "bad/one.yaml": FUNCTION.replace("index.handler", "!Ref One"),
        "bad/two.yaml": FUNCTION.replace("index.handler", "!Ref Other"),
        "bad/node_modules/three.yaml": FUNCTION,
        "good/event.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    command = [sys.executable, "-m", "bench", "strangers", str(tmp_path)]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert "3 templates below" in shown
    assert "read     1, 0 of them wholly emulated" in shown
    assert "started  1" in shown
    assert "failed   2" in shown
    assert "    2  Error: PATH:N: Hello: the template has no parameter and no resource '…'" in shown
    assert "    1  AWS::GameLift::Fleet" in shown

"""`lampwork up --time-scale` lets hours pass in a second."""

from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.emulator.lampwork_process import SampleProject

SOCKETS = """\
  Sockets:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: live
      RouteSelectionExpression: $request.body.action
      Routes: {$default: {FunctionArn: !GetAtt Hello.Arn}}
"""


def test_an_idle_socket_closes_after_its_ten_minutes_however_short_they_are(tmp_path: Path):
    project = SampleProject.create(tmp_path)
    project.edit("template.yaml", lambda template: template + SOCKETS)
    try:
        origin = project.up("--time-scale", "0.001", "--no-reload").origin()
        with (
            connect(origin.replace("http", "ws") + "/live") as client,
            pytest.raises(ConnectionClosed) as closed,
        ):
            client.recv(timeout=20)
    finally:
        project.close()

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going away")

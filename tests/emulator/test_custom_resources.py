"""Resources that functions of the template create, as CloudFormation would have them do it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.lampwork_process import LampworkProcess, SampleProject
from tests.emulator.stacks import read_text

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.13, Timeout: 10}}
Resources:
  Maker:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      Role: arn:aws:iam::000000000000:role/maker
      Code:
        ZipFile: |
          import json
          import cfnresponse
          def handler(event, context):
              data = {"Size": 3, "All": ["a", "b"], "Seen": json.dumps(event)}
              data["Kind"] = event["RequestType"]
              made = "made-" + event["LogicalResourceId"]
              cfnresponse.send(event, context, cfnresponse.SUCCESS, data, made)
  Breaker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            raise ValueError("on purpose")
  Later:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt Maker.Arn, After: !GetAtt Sooner.Kind}
  Sooner:
    Type: AWS::CloudFormation::CustomResource
    Properties: {ServiceToken: !GetAtt Maker.Arn, Word: hello, Count: 3, On: true, All: [1, x]}
  Broken:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt Breaker.Arn}
  Setting:
    Type: AWS::SSM::Parameter
    Properties: {Name: setting, Type: String, Value: !Sub "from ${Sooner}"}
  Web:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Environment:
        Variables:
          ID: !Ref Sooner
          SIZE: !GetAtt Sooner.Size
          ITEM: !Select [1, !GetAtt Sooner.All]
          JOINED: !Join [",", !GetAtt Sooner.All]
          BOTH: !Sub "${Later}/${Sooner.Size}"
          SEEN: !GetAtt Sooner.Seen
          AFTER: !GetAtt Later.Seen
          SETTING: "{{resolve:ssm:setting}}"
          BROKEN: !GetAtt Broken.Size
      InlineCode: |
        import os
        def handler(event, context):
            names = ("ID", "SIZE", "ITEM", "JOINED", "BOTH", "SEEN", "AFTER", "SETTING", "BROKEN")
            return {name: os.environ[name] for name in names}
      Events: {Get: {Type: HttpApi, Properties: {Path: /, Method: get}}}
"""
CONFIG = "[tool.lampwork]\nport = 0\n"


class Served:
    def __init__(self, project: SampleProject) -> None:
        self.project = project
        self.up()

    def up(self) -> None:
        self.lampwork: LampworkProcess = self.project.up()
        self.origin = self.lampwork.origin()

    def variables(self) -> Any:
        with urllib.request.urlopen(self.origin, timeout=30) as answer:
            return json.load(answer)

    def sent(self) -> Any:
        """The event of the last request for `Sooner`."""
        return json.loads(self.variables()["SEEN"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("custom")
    (root / "template.yaml").write_text(TEMPLATE)
    (root / "pyproject.toml").write_text(CONFIG)
    project = SampleProject(root)
    try:
        yield Served(project)
    finally:
        project.close()


def test_functions_see_what_the_function_of_a_custom_resource_answers(served: Served) -> None:
    variables = served.variables()

    assert variables["ID"] == "made-Sooner"
    assert variables["SIZE"] == "3"
    assert (variables["ITEM"], variables["JOINED"]) == ("b", "a,b")
    assert variables["BOTH"] == "made-Later/3"
    assert variables["SETTING"] == "from made-Sooner"


def test_the_request_holds_the_properties_as_text(served: Served) -> None:
    event = served.sent()

    assert event["ResourceProperties"] == {
        "ServiceToken": "arn:aws:lambda:us-east-1:000000000000:function:local-Maker",
        "Word": "hello",
        "Count": "3",
        "On": "true",
        "All": ["1", "x"],
    }
    assert event["RequestType"] == "Create"
    assert event["LogicalResourceId"] == "Sooner"
    assert event["ResourceType"] == "AWS::CloudFormation::CustomResource"
    assert event["StackId"].startswith("arn:aws:cloudformation:us-east-1:000000000000:stack/local/")
    assert sorted(event) == [
        *("LogicalResourceId", "RequestId", "RequestType", "ResourceProperties", "ResourceType"),
        *("ResponseURL", "ServiceToken", "StackId"),
    ]


def test_a_resource_comes_after_those_that_its_properties_refer_to(served: Served) -> None:
    after = json.loads(served.variables()["AFTER"])

    assert after["ResourceProperties"]["After"] == "Create"


def test_a_resource_whose_function_fails_is_told_and_its_values_are_empty(served: Served) -> None:
    told = "".join(served.lampwork.output)

    assert (
        "template.yaml, line 32: the custom resource Broken cannot be created by Breaker:"
        " it failed: ValueError: on purpose." in told
    )
    assert served.variables()["BROKEN"] == ""


def test_a_saved_property_updates_the_resource(served: Served) -> None:
    served.project.edit("template.yaml", lambda text: text.replace("Word: hello", "Word: bye"))
    served.lampwork.until("Reloaded: ")

    event = served.sent()

    assert event["RequestType"] == "Update"
    assert event["PhysicalResourceId"] == "made-Sooner"
    assert event["OldResourceProperties"]["Word"] == "hello"
    assert event["ResourceProperties"]["Word"] == "bye"


def test_a_resource_that_has_not_changed_is_kept_over_a_restart(served: Served) -> None:
    before = served.sent()

    served.lampwork.stop()
    served.up()

    assert served.sent() == before


def test_the_notifications_that_the_cdk_sets_by_a_custom_resource_are_the_buckets_own(
    tmp_path: Path,
) -> None:
    """https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_s3_notifications-readme.html"""
    stack = read_text(
        tmp_path,
        """\
        Resources:
          Pictures: {Type: AWS::S3::Bucket}
          Handler:
            Type: AWS::Lambda::Function
            Properties:
              {Runtime: nodejs20.x, Handler: index.handler, Role: x, Code: {ZipFile: "0"}}
          Thumbs:
            Type: AWS::Lambda::Function
            Properties:
              Runtime: python3.13
              Handler: index.handler
              Role: x
              Code: {ZipFile: "def handler(event, context): pass"}
          Notifications:
            Type: Custom::S3BucketNotifications
            Properties:
              ServiceToken: !GetAtt Handler.Arn
              BucketName: !Ref Pictures
              Managed: true
              NotificationConfiguration:
                LambdaFunctionConfigurations:
                  - Events: ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
                    Filter: {Key: {FilterRules: [{Name: suffix, Value: .png}]}}
                    LambdaFunctionArn: !GetAtt Thumbs.Arn
          Emptied:
            Type: Custom::S3AutoDeleteObjects
            Properties: {ServiceToken: !GetAtt Handler.Arn, BucketName: !Ref Pictures}
        """,
    )

    (bucket,) = stack.resources
    thumbs = "arn:aws:lambda:eu-west-1:000000000000:function:local-Thumbs"
    only = {"S3Key": {"Rules": [{"Name": "suffix", "Value": ".png"}]}}
    assert bucket.properties["NotificationConfiguration"] == {
        "LambdaConfigurations": [
            {"Event": event, "Function": thumbs, "Filter": only}
            for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
        ]
    }
    assert stack.ignored == ()


def test_a_custom_resource_whose_function_does_not_run_here_is_named(tmp_path: Path) -> None:
    stack = read_text(
        tmp_path,
        """\
        Resources:
          Thing:
            Type: Custom::Thing
            Properties: {ServiceToken: "arn:aws:sns:eu-west-1:1:topic"}
        """,
    )

    (ignored,) = stack.ignored
    assert (ignored.type, ignored.line) == ("Custom::Thing", 2)
    assert "arn:aws:sns:eu-west-1:1:topic" in ignored.reason

"""Each property of each resource that Lampwork runs is read, named, or has no effect at home.

Sources: the schemas of CloudFormation in cfn-lint (property_names.txt), and SAM's own in its
translator.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from samtranslator.model import sam_resources

import lampwork
from lampwork.stack.model import Stack
from lampwork.template.language.identity import NAME_PROPERTIES
from lampwork.template.resource import Resource
from lampwork.template.source.coverage import CREATED, RUN
from lampwork.template.source.properties import coverage, coverage_of, is_off
from lampwork.template.source.spelling import property_names
from tests.emulator.stacks import read_text
from tests.emulator.test_template_kinds import RESOURCES

SAM = "AWS::Serverless::"
CFN_TYPES = sorted(type for type in coverage() if not type.startswith(SAM))
SAM_TYPES = sorted(type for type in coverage() if type.startswith(SAM))
# What the local cloud reads of the resources that it creates cannot be asked of the reader.
BY_CLOUD = (*CREATED, "AWS::Events::Rule", "AWS::Scheduler::Schedule")
SOURCES = "\n".join(
    file.read_text()
    for room in ("cloud", "template")
    for file in (Path(lampwork.__file__).parent / room).rglob("*.py")
)


def in_sources(name: str) -> bool:
    """Whether a reader names a property; in lower case where OpenAPI has it too."""
    return re.search(rf"\b{name}\b", SOURCES, re.IGNORECASE) is not None


def sam_schema() -> dict[str, set[str]]:
    """The properties of SAM's types, without those that it only sets itself."""
    models: list[Any] = [
        each
        for each in vars(sam_resources).values()
        if str(getattr(each, "resource_type", "")).startswith(SAM)
    ]
    return {
        each.resource_type: {name for name in each.property_types if not name.startswith("__")}
        for each in models
    }


def lists_of(type: str) -> list[set[str]]:
    """The lists of a type, of which each property should be on one."""
    of_type = coverage()[type]
    return [set(of_type.read | of_type.becomes), {*of_type.without_effect}, {*of_type.named}]


def test_each_type_that_runs_has_its_properties_listed() -> None:
    assert sorted(RUN) == CFN_TYPES


@pytest.mark.parametrize("type", CFN_TYPES + SAM_TYPES)
def test_each_property_of_the_schema_is_on_one_list(type: str) -> None:
    """A new one in AWS's schema: read it, name it, or say why it has no effect at home."""
    schema = sam_schema()[type] if type.startswith(SAM) else set(property_names(type))
    everywhere = {"Description", "Tags"}
    read, *others = lists_of(type)

    on_none = schema - read - others[0] - others[1]
    on_two = (read & (others[0] - everywhere)) | (read & others[1]) | (others[0] & others[1])
    beyond = (read | others[0] | others[1]) - schema - everywhere
    assert (on_none, on_two, beyond) == (set(), set(), set())


def read_everything(folder: Path) -> Stack:
    return read_text(folder, json.dumps({"Resources": RESOURCES}), "template.json")


@cache
def read_by_us(folder: Path) -> dict[str, set[str]]:
    """The properties that the readers ask for, of a template that has everything they know."""
    asked = defaultdict[str, set[str]](set)

    class Spy:
        """In place of a resource's `get` and `without`."""

        def __init__(self, name: str) -> None:
            self.method = getattr(Resource, name)

        def __get__(self, resource: Resource | None, _: type | None = None) -> object:
            assert resource is not None

            def method(name: str, *more: str) -> object:
                asked[resource.type].add(name)
                return self.method(resource, name, *more)

            return method

    with pytest.MonkeyPatch.context() as patch:
        for name in ("get", "without"):
            patch.setattr(Resource, name, Spy(name))
        read_everything(folder)
    return asked


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    return read_by_us(tmp_path_factory.mktemp("read"))


@pytest.mark.parametrize("type", CFN_TYPES)
def test_what_is_said_to_be_read_is_read(asked: dict[str, set[str]], type: str) -> None:
    unasked = coverage()[type].read - asked[type] - {NAME_PROPERTIES.get(type, "Name")}

    assert {name for name in unasked if not in_sources(name)} == set()


@pytest.mark.parametrize("type", sorted({*CFN_TYPES} - {*BY_CLOUD}))
def test_what_is_read_is_not_said_to_be_passed_over(asked: dict[str, set[str]], type: str) -> None:
    """Whoever makes Lampwork read a property moves its line in properties.toml to `read`."""
    passed_over = {*coverage()[type].without_effect, *coverage()[type].named}

    assert passed_over & asked[type] == set()


def named(stack: Stack) -> dict[tuple[str, str], str]:
    return {(each.logical_id, each.type): each.reason for each in stack.ignored}


def test_a_property_that_is_not_emulated_is_named_where_it_asks_for_something(
    tmp_path: Path,
) -> None:
    template = """
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {Runtime: python3.11, Handler: app.handler, CodeUri: .}}
        Parameters: {Snap: {Type: String, Default: None}}
        Resources:
          On:
            Type: AWS::Serverless::Function
            Properties:
              AutoPublishAlias: live
              SnapStart: {ApplyOn: PublishedVersions}
              FileSystemConfigs: [{Arn: a, LocalMountPath: /mnt/a}]
              VpcConfig: {SubnetIds: [a], SecurityGroupIds: [b]}
          Off:
            Type: AWS::Serverless::Function
            Properties:
              AutoPublishAlias: live
              SnapStart: {ApplyOn: !Ref Snap}
              FileSystemConfigs: !Ref AWS::NoValue
          Pictures:
            Type: AWS::S3::Bucket
            Properties:
              LifecycleConfiguration: {Rules: [{Status: Enabled, ExpirationInDays: 1}]}
              NewAtAws: 1
          Uploads:
            Type: AWS::S3::Bucket
            Properties:
              LifecycleConfiguration:
                Rules:
                  - Status: Enabled
                    AbortIncompleteMultipartUpload: {DaysAfterInitiation: 1}
        """

    assert named(read_text(tmp_path, template)) == {
        ("On", "SnapStart"): "no snapshot is taken, so its hooks do not run",
        ("On", "FileSystemConfigs"): "nothing is mounted there",
        ("Pictures", "LifecycleConfiguration"): "objects do not expire",
        ("Pictures", "NewAtAws"): "Lampwork does not know this property",
    }


def test_a_policy_of_a_rest_api_is_named(tmp_path: Path) -> None:
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Api:
            Type: AWS::Serverless::Api
            Properties:
              StageName: live
              Auth: {ResourcePolicy: {IpRangeBlacklist: [10.0.0.0/8]}}
          Work:
            Type: AWS::Serverless::Function
            Properties:
              Runtime: python3.11
              Handler: app.handler
              CodeUri: .
              Events: {A: {Type: Api, Properties: {Path: /, Method: get, RestApiId: !Ref Api}}}
        """

    assert list(named(read_text(tmp_path, template))) == [("Api", "x-amazon-apigateway-policy")]


def test_one_type_is_read_as_among_all() -> None:
    assert {type: coverage_of(type) for type in coverage()} == coverage()
    assert coverage_of("AWS::EC2::Instance") is None


def test_a_makefile_and_the_streamed_answer_of_a_server_are_named(tmp_path: Path) -> None:
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Made:
            Type: AWS::Serverless::Function
            Properties: {Runtime: python3.11, Handler: app.handler, CodeUri: .}
            Metadata: {BuildMethod: makefile}
          Api:
            Type: AWS::Serverless::Api
            Properties:
              StageName: live
              DefinitionBody:
                openapi: 3.0.1
                paths:
                  /x:
                    get:
                      x-amazon-apigateway-integration:
                        type: aws_proxy
                        responseTransferMode: STREAM
                        uri: !Sub "arn:aws:apigateway:a:lambda:path/x/functions/${Made.Arn}/x"
                    post:
                      x-amazon-apigateway-integration:
                        type: http_proxy
                        httpMethod: POST
                        responseTransferMode: STREAM
                        uri: http://127.0.0.1:1/
        """

    stack = read_text(tmp_path, template)
    told = named(stack)

    assert told["Api", "responseTransferMode of route POST /x"] == (
        "the answer is sent when it is whole"
    )
    assert {route.key: route.streams for route in stack.rest_apis[0].routes} == {
        "GET /x": True,
        "POST /x": False,
    }
    assert told["Made", "BuildMethod makefile"].startswith("its makefile is not run")


def test_a_mapping_of_parameters_is_named_where_no_route_has_it(
    tmp_path: Path,
) -> None:
    template = """
        Resources:
          Work:
            Type: AWS::Lambda::Function
            Properties: {Runtime: python3.11, Handler: app.handler, Code: .}
          Api: {Type: "AWS::ApiGatewayV2::Api", Properties: {Name: a, ProtocolType: HTTP}}
          Stage: {Type: "AWS::ApiGatewayV2::Stage", Properties: {ApiId: !Ref Api, StageName: live}}
          ToQueue:
            Type: AWS::ApiGatewayV2::Integration
            Properties:
              ApiId: !Ref Api
              IntegrationType: AWS_PROXY
              IntegrationSubtype: SQS-SendMessage
              RequestParameters: {QueueUrl: http://queue, MessageBody: $request.body}
          ToWork:
            Type: AWS::ApiGatewayV2::Integration
            Properties:
              ApiId: !Ref Api
              IntegrationUri: !GetAtt Work.Arn
              RequestParameters: {"append:header.a": b}
          Queue:
            Type: AWS::ApiGatewayV2::Route
            Properties: {ApiId: !Ref Api, RouteKey: GET /q, Target: !Sub "integrations/${ToQueue}"}
          Written:
            Type: AWS::ApiGatewayV2::Api
            Properties:
              Body:
                openapi: 3.0.1
                paths:
                  /b:
                    get:
                      x-amazon-apigateway-integration:
                        type: aws_proxy
                        uri: !GetAtt Work.Arn
                        requestParameters: {"append:header.a": b}
          WrittenStage:
            Type: AWS::ApiGatewayV2::Stage
            Properties: {ApiId: !Ref Written, StageName: b}
        """

    assert {key for key in named(read_text(tmp_path, template)) if "Param" in key[1]} == {
        ("ToWork", "RequestParameters")
    }


@pytest.mark.parametrize(
    ("value", "off"),
    [
        *[(None, True), (False, True), ("false", True), ("", True), ([], True), ({}, True)],
        *[({"ApplyOn": "None"}, True), (True, False), ("PublishedVersions", False), (0, False)],
        *[(1, False), ([{}], False), ({"A": {"B": 1}}, False)],
    ],
)
def test_a_property_that_asks_for_nothing_is_off(value: object, off: bool) -> None:
    assert is_off(value) is off


def test_the_page_shows_the_file() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "local.property_names", "--check"], capture_output=True, text=True
    )

    assert made.stderr == ""

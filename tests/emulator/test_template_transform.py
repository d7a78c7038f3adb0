import subprocess
import sys
from pathlib import Path

import pytest

from lampwork.errors import TemplateError
from tests.conftest import ROOT
from tests.emulator.stacks import read, read_text

PRODUCT = Path(__file__).parent / "templates" / "product.yaml"
LOADED_BY_READING = """
import sys
from pathlib import Path
from tests.emulator.stacks import read
read(Path(sys.argv[1]), Path(sys.argv[2]))
print(*sys.modules)
"""


def modules_loaded_by_reading(template: Path, cache_dir: Path) -> set[str]:
    command = [sys.executable, "-c", LOADED_BY_READING, str(template), str(cache_dir)]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'local'}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_template_read_before_is_read_without_loading_sam_or_boto3(tmp_path):
    first = modules_loaded_by_reading(PRODUCT, tmp_path)
    second = modules_loaded_by_reading(PRODUCT, tmp_path)

    assert "samtranslator" in first
    assert second.isdisjoint({"samtranslator", "boto3", "botocore"})


def test_a_cached_result_is_the_same(tmp_path):
    assert read(PRODUCT, tmp_path) == read(PRODUCT, tmp_path)


def test_parameters_are_part_of_the_cache_key(tmp_path):
    at_home = read(PRODUCT, tmp_path)
    in_production = read(PRODUCT, tmp_path, Stage="production")

    assert "OnlyInProduction" not in at_home.functions
    assert "OnlyInProduction" in in_production.functions


def test_only_the_newest_results_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("lampwork.template.language.transform.KEPT_RESULTS", 3)
    for number in range(5):
        read(PRODUCT, tmp_path, DatabaseUrl=str(number))

    assert len(list(tmp_path.iterdir())) == 3


def test_all_errors_of_sam_are_reported_at_once(tmp_path):
    template = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  First:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.11, Events: {Mail: {Type: SQS}}}
  Second:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler}
"""

    with pytest.raises(TemplateError) as caught:
        read_text(tmp_path, template)

    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"{tmp_path / 'template.yaml'}:3",
        f"{tmp_path / 'template.yaml'}:6",
    ]


def test_code_is_in_the_folder_the_template_names(tmp_path):
    (tmp_path / "a folder").mkdir()
    template = """
        Transform: AWS::Serverless-2016-10-31
        Globals: {Function: {Handler: app.handler, Runtime: python3.11}}
        Resources:
          Beside: {Type: AWS::Serverless::Function, Properties: {CodeUri: "a folder/"}}
          Here: {Type: AWS::Serverless::Function, Properties: {CodeUri: ./}}
          Above: {Type: AWS::Serverless::Function, Properties: {CodeUri: ../}}
          Unnamed: {Type: AWS::Serverless::Function}
          Raw:
            Type: AWS::Lambda::Function
            Properties: {Handler: app.handler, Runtime: python3.11, Code: a folder}
        """

    functions = read_text(tmp_path, template).functions

    assert {name: function.code_dir for name, function in functions.items()} == {
        "Beside": tmp_path / "a folder",
        "Here": tmp_path,
        "Above": tmp_path.parent,
        "Unnamed": tmp_path,
        "Raw": tmp_path / "a folder",
    }


def test_routes_may_stand_in_a_definition_file(tmp_path):
    (tmp_path / "api.yaml").write_text("""\
openapi: 3.0.1
paths:
  /hello:
    get:
      x-amazon-apigateway-integration:
        type: aws_proxy
        payloadFormatVersion: "2.0"
        uri: arn:aws:lambda:eu-west-1:000000000000:function:hello
""")
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Api:
            Type: AWS::Serverless::HttpApi
            Properties: {DefinitionUri: api.yaml}
          Hello:
            Type: AWS::Serverless::Function
            Properties: {FunctionName: hello, Handler: app.handler, Runtime: python3.11}
        """

    (api,) = read_text(tmp_path, template).http_apis

    assert [(route.key, route.function) for route in api.routes] == [("GET /hello", "Hello")]


def test_code_may_be_where_the_cdk_has_put_it(tmp_path):
    for name in ("asset.1", "asset.2"):
        (tmp_path / "cdk.out" / name).mkdir(parents=True)
    bucket = '{"Fn::Sub": "cdk-x-assets-${AWS::AccountId}-${AWS::Region}"}'
    code = f'{{"S3Bucket": {bucket}, "S3Key": "1.zip"}}'
    template = f"""{{
        "Resources": {{
            "Hello": {{
                "Type": "AWS::Lambda::Function",
                "Properties": {{
                    "Handler": "app.handler", "Runtime": "python3.11", "Code": {code},
                    "Layers": [{{"Ref": "Shared"}}]
                }},
                "Metadata": {{"aws:asset:path": "asset.1", "aws:asset:property": "Code"}}
            }},
            "Shared": {{
                "Type": "AWS::Lambda::LayerVersion",
                "Properties": {{"Content": {code}}},
                "Metadata": {{"aws:asset:path": "asset.2", "aws:asset:property": "Content"}}
            }},
            "CDKMetadata": {{"Type": "AWS::CDK::Metadata", "Properties": {{"Analytics": "v2"}}}}
        }}
    }}"""

    stack = read_text(tmp_path / "cdk.out", template, "Shop.template.json")

    hello = stack.functions["Hello"]
    assert hello.code_dir == tmp_path / "cdk.out" / "asset.1"
    assert hello.layers == (tmp_path / "cdk.out" / "asset.2",)
    assert stack.ignored == ()


INCLUDED = """\
openapi: 3.0.1
paths:
  /hello:
    get:
      x-amazon-apigateway-integration:
        {$ref: "#/components/x-amazon-apigateway-integrations/hello"}
components:
  x-amazon-apigateway-integrations:
    hello:
      type: aws_proxy
      payloadFormatVersion: "2.0"
      uri: {Fn::Sub: "arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:${Hello}"}
"""


@pytest.mark.parametrize("type", ["HttpApi", "Api"])
def test_routes_may_stand_in_an_included_file(tmp_path, type):
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "open.yaml").write_text(INCLUDED)
    template = f"""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Api:
            Type: AWS::Serverless::{type}
            Properties:
              StageName: dev
              DefinitionBody:
                Fn::Transform:
                  {{Name: AWS::Include, Parameters: {{Location: ./api/open.yaml}}}}
          Hello:
            Type: AWS::Serverless::Function
            Properties: {{Handler: app.handler, Runtime: python3.11}}
        """

    stack = read_text(tmp_path, template)

    (api,) = stack.routed_apis
    assert [(route.key, route.function) for route in api.routes] == [("GET /hello", "Hello")]
    assert stack.files == (tmp_path / "api" / "open.yaml",)


@pytest.mark.parametrize("type", ["HttpApi", "Api"])
@pytest.mark.parametrize(
    "definition",
    [
        "DefinitionUri: s3://bucket/api.yaml",
        "DefinitionBody: !Transform {Name: AWS::Include, Parameters: {Location: s3://b/k}}",
        "DefinitionBody: !Transform {Name: AWS::Include, Parameters: {Location: !Ref Where}}",
    ],
)
def test_a_definition_in_s3_is_named_and_the_rest_runs(tmp_path, type, definition):
    template = f"""
        Transform: AWS::Serverless-2016-10-31
        Parameters: {{Where: {{Type: String, Default: s3://bucket/api.yaml}}}}
        Resources:
          Api: {{Type: AWS::Serverless::{type}, Properties: {{StageName: dev, {definition}}}}}
          Hello:
            Type: AWS::Serverless::Function
            Properties: {{Handler: app.handler, Runtime: python3.11}}
        """

    stack = read_text(tmp_path, template)

    (ignored,) = stack.ignored
    assert list(stack.functions) == ["Hello"]
    assert (ignored.logical_id, ignored.type, ignored.line) == ("Api", "definition", 5)
    assert ignored.reason == "it is in S3; name a file on this machine"


@pytest.mark.parametrize(
    "definition",
    [
        "DefinitionUri: api.yaml",
        "DefinitionBody: !Transform {Name: AWS::Include, Parameters: {Location: api.yaml}}",
    ],
)
def test_a_missing_definition_is_reported_with_its_path(tmp_path, definition):
    template = f"""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Api: {{Type: AWS::Serverless::HttpApi, Properties: {{{definition}}}}}
        """

    with pytest.raises(TemplateError, match=r"no file .*/api.yaml, which the template names"):
        read_text(tmp_path, template)


def test_notes_of_sam_about_a_valid_template_are_not_reported(tmp_path, caplog):
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Hello:
            Type: AWS::Serverless::Function
            Properties:
              Handler: app.handler
              Runtime: python3.11
              AutoPublishAlias: live
              DeploymentPreference: {Type: AllAtOnce}
        """

    stack = read_text(tmp_path, template)

    assert (list(stack.functions), caplog.text) == (["Hello"], "")


def test_a_nested_application_is_named_and_nothing_is_asked_of_aws(tmp_path):
    template = """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Shop:
            Type: AWS::Serverless::Application
            Properties: {Location: {ApplicationId: a, SemanticVersion: 1.0.0}}
        """

    (ignored,) = read_text(tmp_path, template).ignored

    assert (ignored.logical_id, ignored.type) == ("Shop", "AWS::Serverless::Application")

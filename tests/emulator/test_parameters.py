import textwrap
from pathlib import Path

import pytest

from lampwork.app.project.stack_loading import load_stack
from lampwork.cli import with_repeated_overrides
from lampwork.commands.template_options import load_with
from lampwork.config.project_config import Config, load_config
from lampwork.config.samconfig import parse_parameters
from lampwork.errors import ConfigurationError, TemplateError
from lampwork.stack.authorization import PoolAuthorizer
from lampwork.stack.model import QueueTrigger
from tests.emulator.stacks import QUEUES, read_beside, read_text

SAMCONFIG = """\
version = 0.1
[default.global.parameters]
stack_name = "shop"
region = "eu-west-1"
[default.deploy.parameters]
parameter_overrides = "Stage=\\"at home\\" Size=3"
[staging.deploy.parameters]
template_file = "staging.yaml"
parameter_overrides = ["Stage=staging", "Note=two words"]
"""
SSM = """
Parameters:
  Db: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/db}
  Image: {Type: "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", Default: /shop/image}
  Hosts: {Type: "AWS::SSM::Parameter::Value<List<String>>", Default: /shop/hosts}
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
      Code: .
      Environment: {Variables: {DB: !Ref Db, IMAGE: !Ref Image, HOSTS: !Join [",", !Ref Hosts]}}
"""
NAMED = """
Parameters:
  Stage: {Type: String}
  Size: {Type: String, Default: ""}
  Note: {Type: String, Default: ""}
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
      Code: .
      Environment: {Variables: {TABLE: !Sub "${AWS::StackName}-table"}}
"""
CART = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  PoolArn: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/pool-arn}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: Prod
      Auth: {DefaultAuthorizer: Pool, Authorizers: {Pool: {UserPoolArn: !Ref PoolArn}}}
  List:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
      CodeUri: .
      Environment: {Variables: {POOL: !Sub "pool=${PoolArn}", NONE: "{{resolve:ssm:/shop/none}}"}}
      Events:
        Get: {Type: Api, Properties: {Path: /, Method: GET, RestApiId: !Ref Api}}
        Job: {Type: SQS, Properties: {Queue: "{{resolve:ssm:/shop/jobs:1}}"}}
"""
LOGIN = """
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
  Jobs: {Type: AWS::SQS::Queue}
  PoolArn:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: /shop/pool-arn, Value: !GetAtt Pool.Arn}
  JobsArn:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: !Sub "/shop/jobs", Value: !GetAtt Jobs.Arn}
"""
IMPORTING = """
    Parameters: {Stage: {Type: String}}
    Resources:
      Work:
        Type: AWS::Lambda::Function
        Properties:
          Handler: app.handler
          Runtime: python3.11
          Code: .
          Environment: {Variables: {STAGE: !Ref Stage, TABLE: !ImportValue shop-table}}
"""


def config(folder: Path, **given: object) -> Config:
    return load_with(folder, dict(given))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["A=1 B=2"], {"A": "1", "B": "2"}),
        (["A=1", "B=x=y"], {"A": "1", "B": "x=y"}),
        (["A='two words' B=\"\""], {"A": "two words", "B": ""}),
        (["ParameterKey=A,ParameterValue=a,b"], {"A": "a,b"}),
        ([], {}),
    ],
)
def test_overrides_have_sams_forms(words, expected):
    assert parse_parameters(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("routes --parameter-overrides A=1 B=2", "routes OPTION A=1 OPTION B=2"),
        ("routes --parameter-overrides A=1 B=2 --data d", "routes OPTION A=1 OPTION B=2 --data d"),
        ("up --parameter-overrides A=1 --env=x C=3", "up OPTION A=1 --env=x C=3"),
        ("up --parameter-overrides=A=1 B=2", "up OPTION=A=1 OPTION B=2"),
        ("invoke --parameter-overrides A=1 B=2 Work", "invoke OPTION A=1 OPTION B=2 Work"),
        (
            "queues --parameter-overrides A=1 B=2 purge x=y",
            "queues OPTION A=1 OPTION B=2 purge x=y",
        ),
        ("invoke -- --parameter-overrides A=1 B=2", "invoke -- OPTION A=1 B=2"),
        ("invoke A=1 B=2", "invoke A=1 B=2"),
    ],
)
def test_each_value_of_parameter_overrides_gets_the_name_of_the_option(words, expected):
    assert " ".join(with_repeated_overrides(words.split())) == expected.replace(
        "OPTION", "--parameter-overrides"
    )


@pytest.mark.parametrize("words", [["A"], ["=1"], ["ParameterKey=A"], ["A='open"]])
def test_an_override_of_another_form_is_reported(words):
    with pytest.raises(ConfigurationError, match=r"must be given as Name=value|cannot be read"):
        parse_parameters(words)


def test_sams_configuration_gives_parameters_region_and_template(tmp_path):
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)

    default, staging = config(tmp_path), config(tmp_path, config_env="staging")

    assert default.parameters == {"Stage": "at home", "Size": "3"}
    assert (default.region, default.template) == ("eu-west-1", tmp_path / "template.yaml")
    assert staging.parameters == {"Stage": "staging", "Note": "two words"}
    assert (staging.region, staging.template) == ("us-east-1", tmp_path / "staging.yaml")


def test_the_stack_has_the_name_it_is_deployed_under(tmp_path):
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    for template in ("template.yaml", "staging.yaml"):
        (tmp_path / template).write_text(NAMED)

    default, staging = config(tmp_path), config(tmp_path, config_env="staging")

    works = [load_stack(each, QUEUES).functions["Work"] for each in (default, staging)]
    assert [work.name for work in works] == ["shop-Work", "local-Work"]
    assert [work.environment["TABLE"] for work in works] == ["shop-table", "local-table"]


@pytest.mark.parametrize("name", ["samconfig.yaml", "samconfig.yml"])
def test_sams_configuration_may_be_yaml(tmp_path, name):
    (tmp_path / name).write_text("""\
        version: 0.1
        default:
          global: {parameters: {region: eu-west-1}}
          deploy: {parameters: {parameter_overrides: [Stage=staging, Note=two words]}}
        """)

    read = config(tmp_path)

    assert (read.region, read.parameters) == (
        "eu-west-1",
        {"Stage": "staging", "Note": "two words"},
    )


def test_parameters_in_sams_configuration_that_the_template_lacks_are_ignored(tmp_path):
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    (tmp_path / "template.yaml").write_text(SSM)

    read = config(tmp_path, parameter=("Db=/other/db",))

    assert read.parameters.keys() == {"Db", "Stage", "Size"}
    assert load_stack(read, QUEUES).functions["Work"].environment["DB"] == (
        "{{resolve:ssm:/other/db}}"
    )


def test_the_command_line_wins_over_lampworks_configuration_and_that_over_sams(tmp_path):
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    (tmp_path / "lampwork.toml").write_text('[parameters]\nSize = 4\nLevel = "low"\n')

    read = config(tmp_path, parameter_overrides=("Level=mid Size=5",), parameter=("Level=high",))

    assert read.parameters == {"Stage": "at home", "Size": "5", "Level": "high"}


@pytest.mark.parametrize(
    ("text", "given", "problem"),
    [
        (SAMCONFIG, {"config_env": "production"}, "no environment 'production'; it has default"),
        (SAMCONFIG, {"config_file": Path("other.toml")}, "There is no file .*other.toml"),
        ("[default", {}, "samconfig.toml is not valid TOML"),
        ("[default", {"config_file": Path("samconfig.yaml")}, "samconfig.yaml is not valid YAML"),
        ("default", {"config_file": Path("samconfig.yaml")}, "should hold environments"),
        ("[default]\ndeploy = 3", {}, "a command holds a table `parameters`"),
        (
            "[default.deploy.parameters]\nparameter_overrides = 3",
            {},
            "parameter_overrides must be a string or a list of strings",
        ),
    ],
)
def test_errors_in_sams_configuration_are_reported(tmp_path, text, given, problem):
    for name in ("samconfig.toml", "samconfig.yaml"):
        (tmp_path / name).write_text(text)

    with pytest.raises(ConfigurationError, match=problem):
        config(tmp_path, **given)


def test_without_any_configuration_there_are_no_parameters(tmp_path):
    assert load_config(tmp_path).parameters == {}


def test_an_ssm_parameter_has_the_value_that_ssm_holds(tmp_path):
    stack = read_text(tmp_path, SSM)

    assert stack.functions["Work"].environment == {
        "DB": "{{resolve:ssm:/shop/db}}",
        "IMAGE": "{{resolve:ssm:/shop/image}}",
        "HOSTS": "{{resolve:ssm:/shop/hosts}}",
    }


def test_a_stack_reads_the_ssm_parameters_that_another_beside_it_makes(tmp_path):
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
    and .../dynamic-references-ssm.html"""
    stack = read_beside(tmp_path, cart=CART, login=LOGIN)

    environment = stack.functions["cart/List"].environment
    pool = environment["POOL"].removeprefix("pool=")
    (route,) = [route for api in stack.rest_apis for route in api.routes]
    assert pool.startswith("arn:aws:cognito-idp:eu-west-1:000000000000:userpool/")
    assert environment["NONE"] == "{{resolve:ssm:/shop/none}}"
    assert isinstance(route.authorizer, PoolAuthorizer)
    assert route.authorizer.pools == (pool,)
    assert [each.queue_arn for each in stack.triggers if isinstance(each, QueueTrigger)] == [
        "arn:aws:sqs:eu-west-1:000000000000:login-Jobs"
    ]


def test_a_name_may_be_made_of_what_another_stack_stores(tmp_path):
    shop = """
    Parameters:
      Jobs: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/name}
    Resources:
      Own:
        Type: AWS::SSM::Parameter
        Properties: {Type: String, Name: /shop/own, Value: !GetAtt Queue.Arn}
      Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${Jobs}-1"}}
    Outputs: {Own: {Value: !Ref Own, Export: {Name: !Sub "${AWS::StackName}-own"}}}
    """
    names = """
    Resources:
      Name: {Type: AWS::SSM::Parameter, Properties: {Type: String, Name: /shop/name, Value: jobs}}
    """

    stack = read_beside(tmp_path, shop=shop, names=names)

    assert [each.name for each in stack.queues] == ["jobs-1"]


def test_what_a_nested_stack_stores_and_exports_is_seen_by_another_stack(tmp_path):
    """Its Outputs' exports: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html"""
    outputs = "Outputs: {Jobs: {Value: !Ref Jobs, Export: {Name: the-jobs}}}"
    (tmp_path / "inner.yaml").write_text(f"{LOGIN}{outputs}")
    outer = """
    Conditions: {Never: !Equals [a, b]}
    Resources:
      Left: {Type: AWS::CloudFormation::Stack, Condition: Never, Properties: {TemplateURL: no.yaml}}
      In: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml}}
    """
    importing = CART.replace("{{resolve:ssm:/shop/none}}", "x").replace(
        '"x"', "!ImportValue the-jobs"
    )

    stack = read_beside(tmp_path, cart=importing, outer=outer)

    environment = stack.functions["cart/List"].environment
    assert environment["POOL"].startswith("pool=arn:aws:cognito-idp:")
    assert environment["NONE"].endswith("/outer-In-Jobs")


def test_an_ssm_parameter_that_nobody_makes_is_told_where_its_value_is_needed(tmp_path):
    with pytest.raises(TemplateError) as caught:
        read_text(tmp_path, CART)

    assert "the SSM parameter /shop/pool-arn is made by no stack here" in str(caught.value)


def test_another_stacks_export_is_given_as_a_parameter(tmp_path):
    template = textwrap.dedent(IMPORTING)

    stack = read_text(tmp_path, template, **{"Stage": "dev", "shop-table": "shop-1"})

    assert stack.functions["Work"].environment == {"STAGE": "dev", "TABLE": "shop-1"}


def test_a_missing_export_costs_the_function_that_imports_it(tmp_path):
    other = """\
        Idle:
          Type: AWS::Lambda::Function
          Properties: {Handler: app.handler, Runtime: python3.11, Code: .}
        Pictures: {Type: "AWS::S3::Bucket", Properties: {BucketName: !ImportValue shop-bucket}}
        Jobs:
          Type: AWS::Lambda::EventSourceMapping
          Properties: {FunctionName: !Ref Idle, EventSourceArn: !ImportValue shop-jobs}
    """
    template = textwrap.dedent(IMPORTING) + textwrap.indent(textwrap.dedent(other), "  ")

    stack = read_text(tmp_path, template, Stage="dev")

    assert list(stack.functions) == ["Idle"]
    assert {(each.logical_id, each.line): each.reason for each in stack.ignored} == {
        (name, line): f"no other stack exports '{export}' here; give it with --parameter {export}=…"
        for name, line, export in (
            *(("Work", 4, "shop-table"), ("Pictures", 14, "shop-bucket")),
            ("Jobs", 15, "shop-jobs"),
        )
    }


def test_a_function_runs_without_the_layers_that_it_imports(tmp_path):
    template = textwrap.dedent(IMPORTING).replace(
        "Code: .", "Code: .\n      Layers: [!ImportValue shop-layer]"
    )

    stack = read_text(tmp_path, template, **{"Stage": "dev", "shop-table": "shop-1"})

    assert stack.functions["Work"].layers == ()
    assert [(each.type, each.logical_id) for each in stack.ignored] == [("Layers", "Work")]

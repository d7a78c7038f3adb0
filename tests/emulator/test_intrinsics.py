import re
from pathlib import Path

import pytest

from lampwork.errors import TemplateError
from tests.emulator.stacks import read_text

MAIL = "arn:aws:sns:eu-west-1:000000000000:local-Mail"
TEMPLATE = """\
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
      Code: .
      Environment: {Variables: {VALUE: %s}}
  Other:
    Type: AWS::Lambda::Function
    Properties: {Handler: app.handler, Runtime: python3.11, Code: .}
  Jobs:
    Type: AWS::SQS::Queue
    Properties: {QueueName: jobs}
  Mail:
    Type: AWS::SNS::Topic
  Pictures:
    Type: AWS::S3::Bucket
  Database:
    Type: AWS::RDS::DBInstance
  Limit:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: !Sub "10 in ${AWS::Region}"}
  Bus:
    Type: AWS::Events::EventBus
    Properties: {Name: orders}
  Sold:
    Type: AWS::Events::Rule
    Properties: {EventBusName: !Ref Bus, Name: sold, EventPattern: {source: [shop]}}
  Lent:
    Type: AWS::Events::Rule
    Properties: {EventBusName: !GetAtt Bus.Arn, Name: lent, EventPattern: {source: [shop]}}
  Nightly:
    Type: AWS::Events::Rule
    Properties: {EventBusName: default, ScheduleExpression: rate(1 day)}
  Clicks:
    Type: AWS::Kinesis::Stream
  Live:
    Type: AWS::ApiGateway::Stage
    Properties: {StageName: live, RestApiId: a1b2c3}
  Everywhere:
    Type: AWS::DynamoDB::GlobalTable
    Properties: {TableName: everywhere}
  Archive:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties: {DeliveryStreamName: archive}
  Absent:
    Type: AWS::SQS::Queue
    Condition: InProduction
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: api, ProtocolType: HTTP}
Parameters:
  Stage: {Type: String, Default: home}
  Hosts: {Type: CommaDelimitedList, Default: "a, b"}
  Traced: {Type: String, Default: true, AllowedValues: [true, false]}
  Size: {Type: Number, Default: 3}
Conditions:
  AtHome: !Equals [!Ref Stage, home]
  InProduction: !Not [!Condition AtHome]
  Either: !Or [!Condition AtHome, !Condition InProduction]
  Both: !And [!Condition AtHome, !Condition InProduction]
  IsTraced: !Equals [!Ref Traced, true]
  IsTracedInText: !Equals [!Ref Traced, "true"]
  IsThree: !Equals [!Ref Size, 3]
Mappings:
  Sizes:
    home: {Width: 512}
    eu-west-1: {Width: 1024}
"""


def variable(folder: Path, expression: str, **parameters: str) -> str:
    """The value of a function's variable that the template gives as this expression."""
    stack = read_text(folder, TEMPLATE % expression, **parameters)
    return stack.functions["Function"].environment["VALUE"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Ref Other", "local-Other"),
        ("!GetAtt Other.Arn", "arn:aws:lambda:eu-west-1:000000000000:function:local-Other"),
        ("!Ref Jobs", "http://localhost:4566/000000000000/jobs"),
        ("!GetAtt Jobs.QueueName", "jobs"),
        ("!GetAtt Jobs.Arn", "arn:aws:sqs:eu-west-1:000000000000:jobs"),
        ("!Ref Mail", MAIL),
        ("!GetAtt Mail.TopicName", "local-Mail"),
        ("!Ref Pictures", "local-pictures"),
        ("!GetAtt Pictures.RegionalDomainName", "local-pictures.s3.eu-west-1.amazonaws.com"),
        ("!GetAtt Limit.Value", "10 in eu-west-1"),
        ("!GetAtt Limit.Type", "String"),
        ("!GetAtt Bus.Name", "orders"),
        ("!GetAtt Clicks.Arn", "arn:aws:kinesis:eu-west-1:000000000000:stream/local-Clicks"),
        ("!Ref Live", "live"),
        ("!Ref Everywhere", "everywhere"),
        ("!GetAtt Everywhere.Arn", "arn:aws:dynamodb:eu-west-1:000000000000:table/everywhere"),
        ("!Ref Archive", "archive"),
        ("!GetAtt Archive.Arn", "arn:aws:firehose:eu-west-1:000000000000:deliverystream/archive"),
        ("!GetAtt Database.Endpoint.Address", "Database.Endpoint.Address"),
    ],
)
def test_resources_have_the_names_they_would_have_on_aws(tmp_path, expression, value):
    assert variable(tmp_path, expression) == value


RULES = "arn:aws:events:eu-west-1:000000000000:rule"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Ref Sold", "orders|sold"),
        ("!GetAtt Sold.Arn", f"{RULES}/orders/sold"),
        ("!Ref Lent", "orders|lent"),
        ("!Ref Nightly", "local-Nightly"),
        ("!GetAtt Nightly.Arn", f"{RULES}/local-Nightly"),
    ],
)
def test_a_rule_is_named_with_its_bus_unless_that_is_the_default_one(tmp_path, expression, value):
    """As recorded on AWS: RuleWithNameRef and RuleWithNameArn of test_rule_properties,
    https://github.com/localstack/localstack/blob/main/tests/aws/services/cloudformation/resources/test_events.snapshot.json
    """
    assert variable(tmp_path, expression) == value


def test_an_api_has_an_id_of_ten_letters_and_digits_and_an_address_of_it(tmp_path):
    api_id = variable(tmp_path, "!Ref Api")
    endpoint = variable(tmp_path, "!GetAtt Api.ApiEndpoint")

    assert re.fullmatch("[a-z0-9]{10}", api_id)
    assert endpoint == f"https://{api_id}.execute-api.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("!Ref AWS::Region", "eu-west-1"),
        ("!Ref AWS::AccountId", "000000000000"),
        ("!Ref AWS::StackName", "local"),
        ("!Sub '${AWS::Partition}/${Jobs.QueueName}/${!Literal}'", "aws/jobs/${Literal}"),
        ("!Sub ['${Who} in ${AWS::Region}', {Who: !Ref Mail}]", f"{MAIL} in eu-west-1"),
        ("!Join ['-', [a, !Ref AWS::Region, 3]]", "a-eu-west-1-3"),
        ("!Join [',', !Ref Hosts]", "a,b"),
        ("!Select [1, !Split ['|', 'a|b|c']]", "b"),
        ("!Select [0, !GetAZs '']", "eu-west-1a"),
        ("!FindInMap [Sizes, !Ref AWS::Region, Width]", "1024"),
        ("!Join [' ', !Cidr [10.0.0.0/16, 2, 8]]", "10.0.0.0/24 10.0.1.0/24"),
        ("!Base64 hello", "aGVsbG8="),
        ("{'Fn::ToJsonString': {region: !Ref AWS::Region}}", '{"region": "eu-west-1"}'),
        ("!If [AtHome, here, there]", "here"),
        ("!If [InProduction, here, there]", "there"),
        ("!If [Either, here, there]", "here"),
        ("!If [Both, here, there]", "there"),
        ("!Ref Traced", "true"),
        ("!If [IsTraced, yes it is, no]", "yes it is"),
        ("!If [IsTracedInText, yes it is, no]", "yes it is"),
        ("!If [IsThree, three, more]", "three"),
        ("'{{resolve:secretsmanager:keys}}'", "{{resolve:secretsmanager:keys}}"),
        ("true", "true"),
        ("2026-01-31", "2026-01-31"),
        ("{'Fn::GetAtt': [Jobs, Arn]}", "arn:aws:sqs:eu-west-1:000000000000:jobs"),
    ],
)
def test_intrinsic_functions_give_what_cloudformation_gives(tmp_path, expression, value):
    assert variable(tmp_path, expression) == value


def test_a_given_parameter_decides_conditions(tmp_path):
    value = variable(tmp_path, "!If [AtHome, here, there]", Stage="production")

    assert value == "there"


def test_a_boolean_may_be_given_where_the_template_allows_it(tmp_path):
    value = variable(tmp_path, "!If [IsTraced, traced, untraced]", Traced="false")

    assert value == "untraced"


def test_no_value_removes_the_variable(tmp_path):
    with pytest.raises(KeyError):
        variable(tmp_path, "!If [Both, here, !Ref AWS::NoValue]")


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("!Ref Nothing", "no parameter and no resource 'Nothing'"),
        ("!Sub 'x${Nothing.Arn}'", "no parameter and no resource 'Nothing'"),
        ("!GetAtt Jobs.Nothing", "AWS::SQS::Queue has no attribute Nothing"),
        ("!If [Nothing, a, b]", "no condition 'Nothing'"),
        ("!FindInMap [Sizes, Nothing, Width]", "no mapping Sizes.Nothing.Width"),
        ("!Select [7, [a]]", "no item 7"),
        ("!Join [',']", "wrong arguments"),
        ("!Cidr [10.0.0.0/33, 2, 8]", "wrong arguments"),
        ("{'Fn::Nothing': a}", "does not know Fn::Nothing"),
        ("!Ref Absent", "Absent is left out, since InProduction is false"),
    ],
)
def test_an_expression_without_a_value_is_reported_with_resource_and_line(
    tmp_path, expression, reason
):
    with pytest.raises(TemplateError, match=r"template.yaml:8: Function: ") as caught:
        variable(tmp_path, expression)

    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{QueueName: !Sub 'a${Second.QueueName}'}", "{QueueName: !Ref First}"),
        ("{Tags: [!GetAtt Second.Arn]}", "{Tags: [!If [Always, !Ref First, x]]}"),
        ("{}, DependsOn: [Second]", "{}, DependsOn: First"),
    ],
)
def test_resources_that_need_each_other_are_refused_as_by_cloudformation(tmp_path, first, second):
    template = f"""
        Conditions: {{Always: !Equals [a, a]}}
        Resources:
          First: {{Type: "AWS::SQS::Queue", Properties: {first}}}
          Second: {{Type: "AWS::SQS::Queue", Properties: {second}}}
        """

    with pytest.raises(
        TemplateError, match=r"yaml:4: circular dependency between the resources First, Second:"
    ):
        read_text(tmp_path, template)


def test_a_circle_through_a_branch_that_no_condition_chooses_is_none(tmp_path):
    template = """
        Conditions: {No: !Equals [a, b]}
        Resources:
          First: {Type: "AWS::SQS::Queue", Properties: {Tags: [!If [No, !Ref Second, x]]}}
          Second: {Type: "AWS::SQS::Queue", Properties: {Tags: [!Ref First]}}
        """

    assert len(read_text(tmp_path, template).queues) == 2

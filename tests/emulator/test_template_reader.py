import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lampwork.errors import TemplateError
from lampwork.stack.model import HttpRoute, QueueTrigger, Schedule, Stack, StreamTrigger
from tests.emulator.stacks import QUEUES, read, read_text

PRODUCT = Path(__file__).parent / "templates" / "product.yaml"
SQS = "arn:aws:sqs:eu-west-1:000000000000:"

FUNCTION = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: {Type: AWS::SQS::Queue}
  Fifo: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.11
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return read(PRODUCT, tmp_path_factory.mktemp("cache"))


def test_a_function_has_its_own_settings_over_the_common_ones(product):
    create, connect = product.functions["CreateTask"], product.functions["Connect"]

    assert (create.name, create.handler) == ("local-CreateTask", "functions.tasks.create.handler")
    assert (create.timeout_seconds, create.memory_mb) == (30, 256)
    assert (create.runtime, create.code_dir) == ("python3.11", PRODUCT.parent)
    assert (connect.name, connect.timeout_seconds) == ("local-connect", 20)
    assert (connect.reserved_concurrency, create.reserved_concurrency) == (5, None)
    assert PRODUCT.read_text().splitlines()[create.line - 1] == "  CreateTask:"


def test_a_function_with_few_settings_has_lambdas_defaults(tmp_path):
    work = read_text(tmp_path, FUNCTION).functions["Work"]

    assert (work.timeout_seconds, work.memory_mb, work.environment) == (3, 128, {})


@pytest.mark.parametrize("name", ["_HANDLER", "AWS_REGION", "AWS_ACCESS_KEY", "LAMBDA_TASK_ROOT"])
def test_a_variable_that_lambda_reserves_is_refused_with_its_line(tmp_path, name):
    template = FUNCTION + f"      Environment: {{Variables: {{COLOUR: red, {name}: mine}}}}\n"

    with pytest.raises(TemplateError, match=f"template.yaml:11: Work sets {name}, .* reserves"):
        read_text(tmp_path, template)


def test_a_variable_that_lambda_sets_but_does_not_reserve_is_the_functions_own(tmp_path):
    names = ("TZ", "PATH", "PYTHONPATH", "LANG", "AWS_LAMBDA_EXEC_WRAPPER")
    variables = ", ".join(f"{name}: mine" for name in names)
    template = FUNCTION + f"      Environment: {{Variables: {{{variables}}}}}\n"

    work = read_text(tmp_path, template).functions["Work"]

    assert work.environment == dict.fromkeys(names, "mine")


def test_the_environment_is_strings_with_all_references_resolved(product):
    api_id = product.websocket_apis[0].api_id

    assert product.functions["CreateTask"].environment == {
        "LOG_LEVEL": "INFO",
        "DATABASE_URL": "",
        "QUEUE_URL": f"{QUEUES}/000000000000/local-GenerateQueue",
        "SECRET": "{{resolve:secretsmanager:keys}}",
        "SECURE": "false",
        "WORKERS": "4",
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": (
            f"https://{api_id}.execute-api.eu-west-1.amazonaws.com/live"
        ),
    }


@pytest.mark.parametrize(
    "path",
    [
        "!Ref Folder",
        "!Sub '${Folder}/'",
        "!FindInMap [Folders, work, !Ref Stage]",
        "!If [Home, code, absent]",
        "!Join ['', [co, de]]",
    ],
)
@pytest.mark.parametrize("place", ["function", "globals"])
def test_the_folder_of_code_may_be_an_expression(tmp_path, path, place):
    """As `sam build` takes it; SAM's transform alone would not."""
    (tmp_path / "code").mkdir()
    where = f"CodeUri: {path}"
    template = f"""
        Transform: AWS::Serverless-2016-10-31
        Parameters:
          Folder: {{Type: String, Default: code}}
          Stage: {{Type: String, Default: dev}}
        Mappings: {{Folders: {{work: {{dev: code}}}}}}
        Conditions: {{Home: !Equals [!Ref Stage, dev]}}
        Globals:
          Function: {{Runtime: python3.11, {where if place == "globals" else "Timeout: 3"}}}
        Resources:
          Shared:
            Type: AWS::Serverless::LayerVersion
            Properties: {{ContentUri: !Ref Folder}}
          Work:
            Type: AWS::Serverless::Function
            Properties:
              Handler: app.handler
              Layers: [!Ref Shared]
              {where if place == "function" else "Timeout: 3"}
        """

    work = read_text(tmp_path, template).functions["Work"]

    assert (work.code_dir, work.layers) == (tmp_path / "code", (tmp_path / "code",))


@pytest.mark.parametrize(
    ("runtime", "hint"),
    [("python3.99", "; python3"), ("Python3.12", "; python3.12 may"), ("cobol", ".")],
)
def test_a_runtime_that_lambda_never_had_is_refused(tmp_path, runtime, hint):
    """As `sam local invoke` refuses it, and CreateFunction."""
    problem = rf":\d+: Work: Lambda has no runtime '{runtime}'{hint}"

    with pytest.raises(TemplateError, match=problem):
        read_text(tmp_path, FUNCTION.replace("python3.11", runtime))


def test_a_parameter_has_the_given_value(tmp_path):
    given = read(PRODUCT, tmp_path, DatabaseUrl="sqlite://")

    assert given.functions["Pages"].environment["DATABASE_URL"] == "sqlite://"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Databaseurl": "x"}, "has no parameter Databaseurl; it has DatabaseUrl, LogLevel, Stage"),
        ({"LogLevel": "LOUD"}, "LogLevel must be one of DEBUG, INFO, not 'LOUD'"),
    ],
)
def test_a_parameter_that_does_not_fit_is_reported(tmp_path, parameters, message):
    with pytest.raises(TemplateError, match=message):
        read(PRODUCT, tmp_path, **parameters)


@pytest.mark.parametrize("type", ["String", "Number", "CommaDelimitedList", "List<String>"])
def test_a_parameter_without_a_value_is_asked_for_with_what_to_paste(tmp_path, type):
    """As AWS does: "Parameters: [Size] must have values"."""
    template = FUNCTION + (
        "      Environment: {Variables: {SIZE: !Ref Size}}\n"
        f"Parameters: {{Size: {{Type: {type}}}, Other: {{Type: String}}}}\n"
    )

    with pytest.raises(TemplateError) as asked:
        read_text(tmp_path, template)

    assert ":11: Work: the parameter Size has neither a value nor a default" in str(asked.value)
    assert str(asked.value).endswith("--parameter-overrides Size=… Other=…")


def test_a_parameter_without_a_value_that_nothing_at_home_reads_is_not_asked_for(tmp_path):
    template = FUNCTION + (
        "      VpcConfig: {SubnetIds: [!Ref Subnet], SecurityGroupIds: []}\n"
        "Parameters: {Subnet: {Type: String}}\n"
    )

    assert "Work" in read_text(tmp_path, template).functions


def test_an_http_api_has_the_routes_of_its_functions_events(product):
    (api,) = product.http_apis

    assert (api.logical_id, api.stage) == ("HttpApi", "$default")
    assert set(api.routes) == {
        HttpRoute("POST", "/api/v1/tasks", "CreateTask", timeout_seconds=15),
        HttpRoute("ANY", "/assets/{proxy+}", "Pages"),
        HttpRoute("GET", "/tasks/{id}", "Pages"),
        HttpRoute("ANY", "$default", "Pages"),
    }


def test_a_route_of_a_function_left_out_is_left_out(product, tmp_path):
    in_production = read(PRODUCT, tmp_path, Stage="production")

    assert "GET /report" in [route.key for route in in_production.http_apis[0].routes]
    assert "GET /report" not in [route.key for route in product.http_apis[0].routes]


def test_an_event_without_an_api_makes_one(tmp_path):
    template = (
        FUNCTION + "      Events: {Get: {Type: HttpApi, Properties: {Path: /, Method: get}}}\n"
    )

    (api,) = read_text(tmp_path, template).http_apis

    assert (api.logical_id, api.routes) == ("ServerlessHttpApi", (HttpRoute("GET", "/", "Work"),))


def test_a_websocket_api_has_its_routes_and_path_rewrites(product):
    (api,) = product.websocket_apis

    assert (api.stage, api.route_selection_expression) == ("live", "$request.body.action")
    assert {key: (route.function, route.timeout_seconds) for key, route in api.routes.items()} == {
        "$connect": ("Connect", 10),
        "$disconnect": ("Connect", 29),
        "$default": ("Connect", 29),
    }
    assert [rewrite.path for rewrite in api.rewrites] == ["/ws/tasks/{task_id}"]


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ("[/ws]", r"Sockets.Metadata.Lampwork must be a mapping, not \['/ws'\]"),
        ("{PathRewrites: /ws}", r"Lampwork.PathRewrites must be a list, not '/ws'"),
        ("{PathRewrites: [ws]}", r"`Lampwork: {PathRewrites: \[/a/path/{parameter}\]}`"),
    ],
)
def test_a_path_rewrite_in_another_form_is_reported(tmp_path, metadata, problem):
    template = f"""
        Resources:
          Sockets:
            Type: AWS::ApiGatewayV2::Api
            Metadata: {{Lampwork: {metadata}}}
            Properties: {{ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.a}}
          Stage:
            Type: AWS::ApiGatewayV2::Stage
            Properties: {{ApiId: !Ref Sockets, StageName: live}}
        """

    with pytest.raises(TemplateError, match=rf"template.yaml:3: .*{problem}"):
        read_text(tmp_path, template)


def test_apis_written_without_sam_are_read_too(tmp_path):
    template = """
        Resources:
          Work:
            Type: AWS::Lambda::Function
            Properties: {Handler: app.handler, Runtime: python3.11, Code: .}
          Api:
            Type: AWS::ApiGatewayV2::Api
            Properties: {Name: api, ProtocolType: HTTP}
          ToWork:
            Type: AWS::ApiGatewayV2::Integration
            Properties:
              ApiId: !Ref Api
              IntegrationType: AWS_PROXY
              IntegrationUri: !GetAtt Work.Arn
              PayloadFormatVersion: "2.0"
              TimeoutInMillis: 5000
          Item:
            Type: AWS::ApiGatewayV2::Route
            Properties:
              ApiId: !Ref Api
              RouteKey: GET /items/{id}
              Target: !Sub integrations/${ToWork}
          Rest:
            Type: AWS::ApiGatewayV2::Route
            Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${ToWork}"}
          Stage:
            Type: AWS::ApiGatewayV2::Stage
            Properties: {ApiId: !Ref Api, StageName: live, AutoDeploy: true}
          Sockets:
            Type: AWS::ApiGatewayV2::Api
            Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
          SocketsStage:
            Type: AWS::ApiGatewayV2::Stage
            Properties: {ApiId: !Ref Sockets, StageName: live}
          SocketsToWork:
            Type: AWS::ApiGatewayV2::Integration
            Properties:
              ApiId: !Ref Sockets
              IntegrationUri: !Sub
                - arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${F}/invocations
                - {F: !GetAtt Work.Arn}
          Connect:
            Type: AWS::ApiGatewayV2::Route
            Properties:
              ApiId: !Ref Sockets
              RouteKey: $connect
              Target: !Join [/, [integrations, !Ref SocketsToWork]]
        """

    stack = read_text(tmp_path, template)

    assert stack.http_apis[0].stage == "live"
    assert stack.http_apis[0].routes == (
        HttpRoute("GET", "/items/{id}", "Work", timeout_seconds=5),
        HttpRoute("ANY", "$default", "Work", timeout_seconds=5),
    )
    assert stack.websocket_apis[0].routes["$connect"].function == "Work"


def test_a_route_to_a_published_alias_leads_to_the_function(tmp_path):
    template = FUNCTION + (
        "      AutoPublishAlias: live\n"
        "      Events: {Get: {Type: HttpApi, Properties: {Path: /, Method: get}}}\n"
    )

    (api,) = read_text(tmp_path, template).http_apis

    assert api.routes == (HttpRoute("GET", "/", "Work"),)


@pytest.mark.parametrize(
    "function", ["${Work}:live", "${Work.Arn}:live", "${AWS::AccountId}:function:${Work}"]
)
def test_a_mapping_may_name_its_function_in_each_way_that_lambda_takes(tmp_path, function):
    template = FUNCTION + f"""\
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{EventSourceArn: !GetAtt Jobs.Arn, FunctionName: !Sub "{function}"}}
"""

    (trigger,) = read_text(tmp_path, template).triggers_of(QueueTrigger)

    assert trigger.function == "Work"


def test_queues_have_the_attributes_create_queue_takes(product):
    queues = {queue.name: dict(queue.attributes) for queue in product.queues}

    redrive = json.loads(queues["local-GenerateQueue"].pop("RedrivePolicy"))
    assert redrive == {
        "deadLetterTargetArn": f"{SQS}local-GenerateDeadLetters",
        "maxReceiveCount": 5,
    }
    assert queues == {
        "local-GenerateQueue": {"VisibilityTimeout": "180"},
        "local-GenerateDeadLetters": {},
        "local-BroadcastQueue.fifo": {"FifoQueue": "true", "ContentBasedDeduplication": "false"},
    }


def test_event_source_mappings_are_queue_triggers(product):
    assert product.triggers_of(QueueTrigger) == (
        QueueTrigger(
            f"{SQS}local-GenerateQueue",
            "Generate",
            batch_size=1,
            reports_item_failures=True,
            maximum_concurrency=4,
        ),
        QueueTrigger(f"{SQS}local-BroadcastQueue.fifo", "Deliver"),
    )


@pytest.mark.parametrize(
    ("queue", "properties", "message"),
    [
        ("Jobs", "BatchSize: 100", "above 10 needs MaximumBatchingWindowInSeconds greater than 0"),
        ("Fifo", "MaximumBatchingWindowInSeconds: 5", "a FIFO queue takes no Maximum"),
        ("Fifo", "BatchSize: 11", "a FIFO queue's BatchSize is at most 10"),
    ],
)
def test_a_mapping_that_aws_would_refuse_is_reported(tmp_path, queue, properties, message):
    event = f"{{Type: SQS, Properties: {{Queue: !GetAtt {queue}.Arn, {properties}}}}}"

    with pytest.raises(TemplateError, match=message):
        read_text(tmp_path, FUNCTION + f"      Events: {{Job: {event}}}\n")


def test_a_visibility_timeout_shorter_than_the_functions_timeout_is_reported(tmp_path):
    template = FUNCTION + (
        "      Timeout: 60\n"
        "      Events: {Job: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}}\n"
    )

    with pytest.raises(TemplateError, match="VisibilityTimeout of Jobs, 30 s, is less than"):
        read_text(tmp_path, template)


def test_rules_and_schedules_are_read_with_their_expressions(product):
    tick, nightly = product.triggers_of(Schedule)

    assert (tick.logical_id, tick.name) == ("DeliverTick", "local-DeliverTick")
    assert (tick.function, tick.expression, tick.source) == (
        *("Deliver", "rate(1 minute)", "aws.events"),
    )
    assert (nightly.name, nightly.expression, nightly.source) == (
        *("DeliverNightly", "cron(0 3 * * ? *)", "aws.scheduler"),
    )
    assert (nightly.timezone, nightly.input) == ("Europe/Berlin", '{"deep": true}')


def test_a_schedule_has_a_beginning_and_an_end(tmp_path):
    properties = "ScheduleExpression: rate(1 minute), StartDate: 2026-01-01T00:00:00Z, EndDate: {}"
    template = (
        FUNCTION + f"      Events: {{Often: {{Type: ScheduleV2, Properties: {{{properties}}}}}}}\n"
    )

    (often,) = read_text(
        tmp_path, template.replace("EndDate: {}", "EndDate: 2027-01-01T00:00:00")
    ).triggers_of(Schedule)

    assert (often.begins, often.ends) == (
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )
    with pytest.raises(TemplateError, match=r"template.yaml:6: WorkOften.EndDate: "):
        read_text(tmp_path, template.replace("EndDate: {}", "EndDate: tomorrow"))


def test_an_expression_that_aws_would_refuse_is_reported_with_its_line(tmp_path):
    template = FUNCTION + (
        "      Events: {Often: {Type: Schedule, Properties: {Schedule: rate(10 seconds)}}}\n"
    )

    with pytest.raises(TemplateError, match=r"template.yaml:6: WorkOften: 'rate\(10 seconds\)'"):
        read_text(tmp_path, template)


def test_how_a_schedule_changes_its_event_is_read(tmp_path):
    rule = """
  Rule:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(1 minute)
      Targets:
        - {Id: a, Arn: !GetAtt Work.Arn, InputPath: $.time}
        - Id: b
          Arn: !GetAtt Work.Arn
          InputTransformer: {InputPathsMap: {at: $.time}, InputTemplate: '"at <at>"'}
"""
    path, transformed = read_text(tmp_path, FUNCTION + rule).triggers_of(Schedule)

    assert path.input_path == "$.time"
    assert json.loads(transformed.input_transformer or "") == {
        "InputPathsMap": {"at": "$.time"},
        "InputTemplate": '"at <at>"',
    }


@pytest.mark.parametrize(
    ("kind", "expression"), [("Schedule", "Schedule"), ("ScheduleV2", "ScheduleExpression")]
)
def test_an_input_that_is_no_text_is_reported_with_its_line(tmp_path, kind, expression):
    properties = f"{{{expression}: rate(1 minute), Input: {{a: 1}}}}"
    template = FUNCTION + f"      Events: {{Often: {{Type: {kind}, Properties: {properties}}}}}\n"

    with pytest.raises(TemplateError, match=r"template.yaml:6: .*Input"):
        read_text(tmp_path, template)


def test_resources_of_other_services_are_named_as_aws_names_them(product):
    named = {each.logical_id: each.name for each in product.resources}

    assert named["Results"] == "local-results"


def test_what_does_not_run_is_named_with_its_line_and_supporting_resources_are_not(product):
    (made,) = product.ignored

    assert (made.logical_id, made.type) == ("CreateTask", "BuildMethod makefile")
    assert PRODUCT.read_text().splitlines()[made.line - 1] == "  CreateTask:"


def test_a_subscription_of_a_log_group_is_named_and_the_group_is_not(tmp_path):
    template = FUNCTION + """\
      Events:
        Log: {Type: CloudWatchLogs, Properties: {LogGroupName: !Ref Group, FilterPattern: ERROR}}
  Group: {Type: AWS::Logs::LogGroup}
"""

    (ignored,) = read_text(tmp_path, template).ignored

    assert (ignored.type, ignored.line) == ("AWS::Logs::SubscriptionFilter", 6)


def test_an_alexa_skill_is_named_as_ignored(tmp_path):
    (ignored,) = read_text(
        tmp_path, FUNCTION + "      Events: {Skill: {Type: AlexaSkill}}\n"
    ).ignored

    assert (ignored.reason, ignored.line) == ("Alexa calls nothing here", 6)


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        (
            "{Runtime: ruby3.3, Handler: a.b}",
            "its runtime is ruby3.3; Lampwork runs Python and Node.js",
        ),
        ("{PackageType: Image, ImageUri: x}", "its code is a container image"),
        (
            "{Runtime: python3.11, Handler: a.b, CodeUri: s3://bucket/key}",
            "its code is not in a local folder",
        ),
    ],
)
def test_a_function_that_cannot_run_here_is_named_and_so_are_its_routes(
    tmp_path, properties, reason
):
    template = f"""
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Other:
            Type: AWS::Serverless::Function
            Properties:
              Events: {{Get: {{Type: HttpApi, Properties: {{Path: /, Method: get}}}}}}
              <<: {properties}
        """

    stack = read_text(tmp_path, template)

    function, route = stack.ignored
    assert stack.functions == {}
    assert (function.logical_id, function.line) == ("Other", 4)
    assert reason in function.reason
    assert (route.logical_id, route.line, route.type) == ("Other", 4, "route GET /")


@pytest.mark.parametrize(
    ("kind", "arn", "reason"),
    [
        (
            "Kinesis",
            "kinesis:eu-west-1:000000000000:stream/clicks",
            "its stream is not in this template",
        ),
        (
            "DynamoDB",
            "dynamodb:eu-west-1:000000000000:table/others/stream/now",
            "its stream is not in this template",
        ),
    ],
)
def test_other_streams_are_named(tmp_path, kind, arn, reason):
    properties = f"{{Stream: 'arn:aws:{arn}', StartingPosition: LATEST}}"
    template = FUNCTION + f"      Events: {{Changed: {{Type: {kind}, Properties: {properties}}}}}\n"

    (ignored,) = read_text(tmp_path, template).ignored

    assert ignored.type == "AWS::Lambda::EventSourceMapping"
    assert ignored.reason.startswith(reason)


STREAM = FUNCTION
STREAM += """\
      Events:
        Changed:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Rows.StreamArn
            StartingPosition: LATEST
            MaximumRetryAttempts: 3
            MaximumRecordAgeInSeconds: -1
            ParallelizationFactor: 2
            TumblingWindowInSeconds: 30
  Rows:
    Type: AWS::DynamoDB::Table
    Properties: {TableName: rows}
"""


def test_a_mapping_of_a_tables_stream_is_read_with_a_queue_for_its_records(tmp_path):
    table = "{TableName: rows, StreamSpecification: {StreamViewType: KEYS_ONLY}}"
    stack = read_text(tmp_path, STREAM.replace("{TableName: rows}", table))

    (stream,) = stack.triggers_of(StreamTrigger)
    assert (stream.stream, stream.function, stream.batch_size) == ("rows", "Work", 100)
    assert (stream.retries, stream.maximum_age_seconds) == (3, None)
    assert {"lampwork-stream-WorkChanged"} == {
        each.name for each in stack.resources if each.properties.get("Table") == "rows"
    }
    assert stream.parallel_batches == 2
    assert [each.type for each in stack.ignored] == ["TumblingWindowInSeconds"]


def test_a_mapping_of_a_kinesis_stream_is_read_with_a_queue_for_its_records(tmp_path):
    template = FUNCTION + """\
      Events:
        Click:
          Type: Kinesis
          Properties: {Stream: !GetAtt Clicks.Arn, StartingPosition: TRIM_HORIZON}
  Clicks: {Type: AWS::Kinesis::Stream, Properties: {Name: clicks}}
"""
    stack = read_text(tmp_path, template)

    (stream,) = stack.triggers_of(StreamTrigger)
    assert (stream.stream, stream.function, stream.batch_size) == ("clicks", "Work", 100)
    assert stack.ignored == ()
    properties = {each.logical_id: each.properties for each in stack.resources}
    assert properties["WorkClick"] == {"Stream": "clicks", "From": "TRIM_HORIZON"}


def test_a_table_without_a_stream_is_reported_with_the_mappings_line(tmp_path):
    problem = "template.yaml:6: WorkChanged reads the stream of Rows, which has none"

    with pytest.raises(TemplateError, match=problem):
        read_text(tmp_path, STREAM)


def test_what_a_user_pool_does_only_on_aws_is_named(tmp_path):
    stack = read_text(
        tmp_path,
        """\
        Resources:
          Pool:
            Type: AWS::Cognito::UserPool
            Properties:
              LambdaConfig:
                KMSKeyID: arn:aws:kms:eu-west-1:1:key/x
                CustomEmailSender:
                  LambdaArn: arn:aws:lambda:eu-west-1:1:function:mail
                  LambdaVersion: V1_0
          Login:
            Type: AWS::Cognito::UserPoolDomain
            Properties: {Domain: login, UserPoolId: !Ref Pool}
        """,
    )

    assert {(each.logical_id, each.type) for each in stack.ignored} == {
        ("Pool", "trigger CustomEmailSender"),
        ("Login", "AWS::Cognito::UserPoolDomain"),
    }


REFUSED_POLICY = """
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Subscribed:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: sqs
      Endpoint: arn:aws:sqs:us-east-1:123456789012:q
      FilterPolicy: POLICY
"""


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("{store: {nested: [a]}}", "does not support nested filter policy"),
        ("{a: [1], b: [1], c: [1], d: [1], e: [1], f: [1]}", "can not have more than 5 keys"),
        ("{price: [{numeric: ['<', 'x']}]}", "Attributes Reason: FilterPolicy"),
        ('\'{"price": [{"nothing": 1}]}\'', "Attributes Reason: FilterPolicy"),
    ],
)
def test_a_filter_policy_that_sns_refuses_is_refused_with_its_line(tmp_path, policy, problem):
    """localstack/localstack, tests/aws/services/sns/test_sns_filter_policy.snapshot.json"""
    with pytest.raises(TemplateError, match=rf"template.yaml:\d+: SNS refuses .*{problem}"):
        read_text(tmp_path, REFUSED_POLICY.replace("POLICY", policy))


def test_a_placeholder_that_no_path_of_its_target_names_is_refused(tmp_path):
    """localstack/localstack, tests/aws/services/events/test_events_inputs.snapshot.json,
    test_put_events_with_input_transformer_missing_keys"""
    template = """
Resources:
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [a]}
      Targets:
        - Id: q
          Arn: arn:aws:sqs:us-east-1:123456789012:q
          InputTransformer:
            InputPathsMap: {known: $.detail.known}
            InputTemplate: '"<known> <unknown> <aws.events.rule-name>"'
"""

    with pytest.raises(TemplateError, match=r"template.yaml:\d+: .*placeholder <unknown>"):
        read_text(tmp_path, template)


ALIASED = """
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: work
      Handler: index.handler
      Runtime: python3.13
      Role: "arn:aws:iam::123456789012:role/r"
      Code: {ZipFile: "def handler(event, context): return event"}
  First: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Work}}
  Live:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Work, FunctionVersion: !GetAtt First.Version, Name: live}
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: a, ProtocolType: HTTP}}
  To:
    Type: AWS::ApiGatewayV2::Integration
    Properties: {ApiId: !Ref Api, IntegrationType: AWS_PROXY, IntegrationUri: !Ref Live}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [a]}
      Targets: [{Id: a, Arn: TARGET}]
"""


@pytest.mark.parametrize(
    ("target", "qualifier"), [("!Ref Live", "live"), ("!GetAtt Work.Arn", None)]
)
def test_a_function_that_its_triggers_call_by_one_alias_runs_as_that(tmp_path, target, qualifier):
    """https://docs.aws.amazon.com/lambda/latest/dg/using-aliases.html"""
    work = read_text(tmp_path, ALIASED.replace("TARGET", target)).functions["Work"]

    assert work.qualifier == qualifier
    assert work.qualifiers == {"1": "1", "live": "1"}

"""A value of the wrong type, wherever it stands, is reported with its line and never read."""

import copy
import dataclasses
import json
import re
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from lampwork.errors import TemplateError
from lampwork.stack.model import Stack
from lampwork.template.source.coverage import RUN
from tests.emulator.stacks import read_text

WRONG: tuple[object, ...] = ("text", -1.5, ["text"], {"Name": []})
WRONG_PROPERTIES: tuple[object, ...] = (*WRONG, None, [{}], {"Fn::Select": ["x", 7]})
WORK = {"Fn::GetAtt": ["Work", "Arn"]}
ADDRESS = {
    "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Work.Arn}"
    "/invocations"
}
DEFINITION = {
    "openapi": "3.0.1",
    "components": {
        "securitySchemes": {
            "Tokens": {
                "type": "oauth2",
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://issuer", "audience": ["all"]},
                },
            },
            "Asked": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "authorizerUri": ADDRESS,
                    "identitySource": "$request.header.Authorization",
                    "authorizerPayloadFormatVersion": "2.0",
                    "authorizerResultTtlInSeconds": 60,
                    "enableSimpleResponses": True,
                },
            },
            "Old": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {
                    "type": "token",
                    "authorizerUri": ADDRESS,
                    "identityValidationExpression": "a+",
                    "authorizerResultTtlInSeconds": 60,
                },
            },
            "Key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        },
        "x-amazon-apigateway-integrations": {
            "Shared": {"type": "aws_proxy", "uri": ADDRESS, "payloadFormatVersion": "2.0"}
        },
    },
    "security": [{"Tokens": ["read"]}],
    "paths": {
        "/a": {
            "get": {
                "security": [{"Asked": []}],
                "x-amazon-apigateway-integration": {
                    "type": "aws_proxy",
                    "uri": ADDRESS,
                    "timeoutInMillis": 5000,
                    "payloadFormatVersion": "2.0",
                },
            },
            "post": {
                "x-amazon-apigateway-integration": {
                    "$ref": "#/components/x-amazon-apigateway-integrations/Shared"
                }
            },
            "put": {
                "x-amazon-apigateway-auth": {"type": "AWS_IAM"},
                "x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": ADDRESS},
            },
        },
        "/b": {
            "options": {
                "security": [{"Old": []}],
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "requestTemplates": {"application/json": '{"statusCode": 204}'},
                    "responses": {
                        "default": {
                            "statusCode": "204",
                            "responseParameters": {"method.response.header.A": "'b'"},
                            "responseTemplates": {"application/json": "{}"},
                        }
                    },
                },
            }
        },
    },
    "x-amazon-apigateway-cors": {
        "allowOrigins": ["*"],
        "allowMethods": ["GET"],
        "allowHeaders": "a",
        "exposeHeaders": ["b"],
        "maxAge": 5,
        "allowCredentials": False,
    },
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-gateway-responses": {
        "DEFAULT_4XX": {
            "statusCode": 400,
            "responseParameters": {"gatewayresponse.header.A": "'b'"},
            "responseTemplates": {"application/json": "{}"},
        }
    },
}


def of(type: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{type}", "Properties": properties}


RESOURCES = {
    "Jobs": of(
        "SQS::Queue",
        QueueName="jobs",
        FifoQueue=False,
        VisibilityTimeout=60,
        DelaySeconds=1,
        RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": ["Lost", "Arn"]}},
    ),
    "Lost": of("SQS::Queue", MessageRetentionPeriod="60"),
    "Work": of(
        "Lambda::Function",
        FunctionName="work",
        Handler="app.handler",
        Runtime="python3.11",
        Code=".",
        PackageType="Zip",
        Timeout=5,
        MemorySize=256,
        ReservedConcurrentExecutions=2,
        Environment={"Variables": {"COLOUR": "red", "SIZE": 7}},
        Layers=[{"Ref": "Layer"}],
        DeadLetterConfig={"TargetArn": {"Fn::GetAtt": ["Lost", "Arn"]}},
        LoggingConfig={
            "LogFormat": "JSON",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
            "LogGroup": "group",
        },
    ),
    "Inline": of(
        "Lambda::Function", Handler="index.f", Runtime="python3.11", Code={"ZipFile": "f = print"}
    ),
    "Layer": {**of("Lambda::LayerVersion", Content="."), "Metadata": {"BuildMethod": "python3.11"}},
    "Asynchronous": of(
        "Lambda::EventInvokeConfig",
        FunctionName={"Ref": "Work"},
        Qualifier="$LATEST",
        MaximumRetryAttempts=1,
        MaximumEventAgeInSeconds=60,
        DestinationConfig={
            "OnSuccess": {"Destination": {"Fn::GetAtt": ["Jobs", "Arn"]}},
            "OnFailure": {"Destination": {"Fn::GetAtt": ["Lost", "Arn"]}},
        },
    ),
    "Address": of(
        "Lambda::Url",
        TargetFunctionArn=WORK,
        AuthType="NONE",
        InvokeMode="BUFFERED",
        Cors={"AllowOrigins": ["*"], "AllowMethods": ["GET"], "MaxAge": 5},
    ),
    "FromQueue": of(
        "Lambda::EventSourceMapping",
        EventSourceArn={"Fn::GetAtt": ["Jobs", "Arn"]},
        FunctionName={"Ref": "Work"},
        Enabled=True,
        BatchSize=5,
        MaximumBatchingWindowInSeconds=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        ScalingConfig={"MaximumConcurrency": 3},
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"a": ["b"]}}'}]},
    ),
    "Table": of(
        "DynamoDB::Table",
        TableName="table",
        StreamSpecification={"StreamViewType": "NEW_IMAGE"},
        KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    ),
    "FromTable": of(
        "Lambda::EventSourceMapping",
        EventSourceArn={"Fn::GetAtt": ["Table", "StreamArn"]},
        FunctionName={"Ref": "Work"},
        Enabled="true",
        BatchSize=5,
        MaximumBatchingWindowInSeconds=1,
        MaximumRetryAttempts=2,
        MaximumRecordAgeInSeconds=-1,
        ParallelizationFactor=2,
        TumblingWindowInSeconds=0,
        BisectBatchOnFunctionError=True,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        StartingPosition="LATEST",
        FilterCriteria={"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
        DestinationConfig={"OnFailure": {"Destination": {"Fn::GetAtt": ["Lost", "Arn"]}}},
    ),
    "Clicks": of(
        "Kinesis::Stream",
        Name="clicks",
        ShardCount=2,
        RetentionPeriodHours=48,
        StreamModeDetails={"StreamMode": "PROVISIONED"},
    ),
    "OfClicks": of(
        "Lambda::EventSourceMapping",
        EventSourceArn={"Fn::GetAtt": ["Clicks", "Arn"]},
        FunctionName={"Ref": "Work"},
        StartingPosition="TRIM_HORIZON",
    ),
    "Through": of(
        "Pipes::Pipe",
        Source={"Fn::GetAtt": ["Clicks", "Arn"]},
        SourceParameters={
            "KinesisStreamParameters": {
                "StartingPosition": "LATEST",
                "BatchSize": 5,
                "MaximumBatchingWindowInSeconds": 1,
                "MaximumRetryAttempts": 2,
                "MaximumRecordAgeInSeconds": -1,
                "ParallelizationFactor": 2,
                "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
                "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Lost", "Arn"]}},
            },
            "FilterCriteria": {"Filters": [{"Pattern": '{"data": {"a": ["b"]}}'}]},
        },
        Enrichment=WORK,
        EnrichmentParameters={"InputTemplate": "<$.data>"},
        Target={"Fn::GetAtt": ["Lost", "Arn"]},
        TargetParameters={"InputTemplate": "<$>"},
        DesiredState="RUNNING",
    ),
    "Daily": of(
        "Events::Rule",
        ScheduleExpression="rate(1 day)",
        State="ENABLED",
        Targets=[
            {
                "Id": "a",
                "Arn": WORK,
                "Input": "{}",
                "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Lost", "Arn"]}},
            },
            {"Id": "b", "Arn": WORK, "InputPath": "$.detail"},
            {"Id": "c", "Arn": WORK, "InputTransformer": {"InputTemplate": "{}"}},
        ],
    ),
    "Ordered": of(
        "Events::Rule", EventPattern={"source": ["shop"]}, Targets=[{"Id": "a", "Arn": WORK}]
    ),
    "Nightly": of(
        "Scheduler::Schedule",
        ScheduleExpression="cron(0 3 * * ? *)",
        ScheduleExpressionTimezone="Europe/Berlin",
        StartDate="2026-01-01T00:00:00Z",
        EndDate="2027-01-01T00:00:00Z",
        State="ENABLED",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": WORK, "RoleArn": "role", "Input": "{}"},
    ),
    "Http": of("ApiGatewayV2::Api", Name="http", Body=DEFINITION),
    "HttpStage": of(
        "ApiGatewayV2::Stage",
        ApiId={"Ref": "Http"},
        StageName="live",
        StageVariables={"A": "b", "C": 7},
    ),
    "Quick": of(
        "ApiGatewayV2::Api",
        ProtocolType="HTTP",
        Target=WORK,
        RouteKey="GET /quick",
        CorsConfiguration={"AllowOrigins": ["*"], "AllowCredentials": False},
    ),
    "ToWork": of(
        "ApiGatewayV2::Integration",
        ApiId={"Ref": "Quick"},
        IntegrationUri=WORK,
        IntegrationType="AWS_PROXY",
        TimeoutInMillis=5000,
        PayloadFormatVersion="1.0",
    ),
    "Keys": of(
        "ApiGatewayV2::Authorizer",
        ApiId={"Ref": "Quick"},
        Name="keys",
        AuthorizerType="REQUEST",
        AuthorizerUri=ADDRESS,
        IdentitySource=["$request.header.Authorization"],
        AuthorizerResultTtlInSeconds=5,
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        IdentityValidationExpression="a+",
    ),
    "Tokens": of(
        "ApiGatewayV2::Authorizer",
        ApiId={"Ref": "Quick"},
        Name="tokens",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "https://issuer", "Audience": ["all"]},
    ),
    "Slow": of(
        "ApiGatewayV2::Route",
        ApiId={"Ref": "Quick"},
        RouteKey="POST /slow",
        Target={"Fn::Sub": "integrations/${ToWork}"},
        AuthorizationType="CUSTOM",
        AuthorizerId={"Ref": "Keys"},
    ),
    "Safe": of(
        "ApiGatewayV2::Route",
        ApiId={"Ref": "Quick"},
        RouteKey="POST /safe",
        Target={"Fn::Sub": "integrations/${ToWork}"},
        AuthorizationType="JWT",
        AuthorizerId={"Ref": "Tokens"},
        AuthorizationScopes=["read"],
    ),
    "Sockets": {
        **of(
            "ApiGatewayV2::Api",
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression="$request.body.action",
        ),
        "Metadata": {"Lampwork": {"PathRewrites": ["/ws/{id}"]}},
    },
    "SocketStage": of(
        "ApiGatewayV2::Stage",
        ApiId={"Ref": "Sockets"},
        StageName="live",
        StageVariables={"A": "b"},
    ),
    "ToSockets": of(
        "ApiGatewayV2::Integration",
        ApiId={"Ref": "Sockets"},
        IntegrationUri=ADDRESS,
        TimeoutInMillis=5000,
    ),
    "Connect": of(
        "ApiGatewayV2::Route",
        ApiId={"Ref": "Sockets"},
        RouteKey="$connect",
        Target={"Fn::Sub": "integrations/${ToSockets}"},
        AuthorizationType="AWS_IAM",
        ApiKeyRequired=False,
        RouteResponseSelectionExpression="$default",
    ),
    "Connected": of(
        "ApiGatewayV2::RouteResponse",
        ApiId={"Ref": "Sockets"},
        RouteId={"Ref": "Connect"},
        RouteResponseKey="$default",
    ),
    "Rest": of("ApiGateway::RestApi", Name="rest", BinaryMediaTypes=["image~1png"]),
    "RestWithBody": of("ApiGateway::RestApi", Name="body", Body=DEFINITION),
    "RestDeployment": of(
        "ApiGateway::Deployment", RestApiId={"Ref": "RestWithBody"}, StageName="live"
    ),
    "RestStage": of(
        "ApiGateway::Stage", RestApiId={"Ref": "Rest"}, StageName="live", Variables={"A": "b"}
    ),
    "Things": of(
        "ApiGateway::Resource",
        RestApiId={"Ref": "Rest"},
        ParentId={"Fn::GetAtt": ["Rest", "RootResourceId"]},
        PathPart="things",
    ),
    "RestKeys": of(
        "ApiGateway::Authorizer",
        RestApiId={"Ref": "Rest"},
        Name="keys",
        Type="TOKEN",
        AuthorizerUri=ADDRESS,
        IdentitySource="method.request.header.Authorization",
        AuthorizerResultTtlInSeconds=5,
        IdentityValidationExpression="a+",
    ),
    "GetThings": of(
        "ApiGateway::Method",
        RestApiId={"Ref": "Rest"},
        ResourceId={"Ref": "Things"},
        HttpMethod="GET",
        ApiKeyRequired=True,
        RequestValidatorId={"Ref": "Checks"},
        RequestModels={"application/json": {"Ref": "Thing"}},
        RequestParameters={"method.request.querystring.q": True},
        AuthorizationType="CUSTOM",
        AuthorizerId={"Ref": "RestKeys"},
        Integration={"Type": "AWS_PROXY", "Uri": ADDRESS, "TimeoutInMillis": 5000},
    ),
    "Checks": of(
        "ApiGateway::RequestValidator",
        RestApiId={"Ref": "Rest"},
        ValidateRequestBody=True,
        ValidateRequestParameters=True,
    ),
    "Thing": of(
        "ApiGateway::Model",
        RestApiId={"Ref": "Rest"},
        Name="Thing",
        ContentType="application/json",
        Schema={"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
    ),
    "ThingsKey": of("ApiGateway::ApiKey", Name="key", Value="v" * 20, Enabled=True),
    "ThingsPlan": of(
        "ApiGateway::UsagePlan",
        ApiStages=[{"ApiId": {"Ref": "Rest"}, "Stage": {"Ref": "RestStage"}}],
        Quota={"Limit": 10, "Period": "WEEK", "Offset": 1},
        Throttle={"RateLimit": 1.5, "BurstLimit": 2},
    ),
    "ThingsPlanKey": of(
        "ApiGateway::UsagePlanKey",
        KeyId={"Ref": "ThingsKey"},
        KeyType="API_KEY",
        UsagePlanId={"Ref": "ThingsPlan"},
    ),
    "PostThings": of(
        "ApiGateway::Method",
        RestApiId={"Ref": "Rest"},
        ResourceId={"Ref": "Things"},
        HttpMethod="POST",
        Integration={
            "Type": "AWS",
            "IntegrationHttpMethod": "POST",
            "Uri": "arn:aws:apigateway:us-east-1:sqs:path/000000000000/jobs",
            "PassthroughBehavior": "NEVER",
            "ContentHandling": "CONVERT_TO_TEXT",
            "RequestParameters": {"integration.request.header.Content-Type": "'a/b'"},
            "RequestTemplates": {"application/json": "Action=SendMessage&MessageBody=a"},
            "IntegrationResponses": [{"StatusCode": "200", "SelectionPattern": "2.."}],
        },
    ),
    "ThingsOptions": of(
        "ApiGateway::Method",
        RestApiId={"Ref": "Rest"},
        ResourceId={"Ref": "Things"},
        HttpMethod="OPTIONS",
        AuthorizationType="NONE",
        Integration={
            "Type": "MOCK",
            "RequestTemplates": {"application/json": '{"statusCode": 204}'},
            "IntegrationResponses": [
                {
                    "StatusCode": "204",
                    "ResponseParameters": {"method.response.header.A": "'b'"},
                    "ResponseTemplates": {"application/json": "{}"},
                }
            ],
        },
    ),
    "Refused": of(
        "ApiGateway::GatewayResponse",
        RestApiId={"Ref": "Rest"},
        ResponseType="DEFAULT_4XX",
        StatusCode="400",
        ResponseParameters={"gatewayresponse.header.A": "'b'"},
        ResponseTemplates={"application/json": "{}"},
    ),
    "Balancer": of("ElasticLoadBalancingV2::LoadBalancer", Name="front", Type="application"),
    "Targets": of(
        "ElasticLoadBalancingV2::TargetGroup",
        TargetType="lambda",
        HealthCheckEnabled=False,
        Targets=[{"Id": {"Fn::GetAtt": ["Work", "Arn"]}}],
        TargetGroupAttributes=[{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}],
    ),
    "Port": of(
        "ElasticLoadBalancingV2::Listener",
        LoadBalancerArn={"Ref": "Balancer"},
        Port=80,
        Protocol="HTTP",
        DefaultActions=[{"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}, "Order": 1}],
    ),
    "Rules": of(
        "ElasticLoadBalancingV2::ListenerRule",
        ListenerArn={"Ref": "Port"},
        Priority=1,
        Conditions=[
            {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a*"]}},
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "A", "Values": ["b"]}},
            {
                "Field": "query-string",
                "QueryStringConfig": {"Values": [{"Key": "a", "Value": "b"}]},
            },
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
        ],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
    ),
    "Answer": of("ApiGatewayV2::IntegrationResponse", ApiId={"Ref": "Sockets"}),
    "Bus": of("Events::EventBus", Name="bus"),
    "Partner": of("Events::Connection", Name="partner", AuthorizationType="BASIC"),
    "Webhook": of("Events::ApiDestination", Name="webhook", ConnectionArn="x", HttpMethod="POST"),
    "Sender": of("SES::EmailIdentity", EmailIdentity="a@example.com"),
    "Mails": of("SES::ConfigurationSet", Name="mails"),
    "Pictures": of("S3::Bucket", BucketName="pictures"),
    "News": of("SNS::Topic", TopicName="news"),
    "ToJobs": of("SNS::Subscription", TopicArn={"Ref": "News"}, Protocol="sqs", Endpoint="x"),
    "Setting": of("SSM::Parameter", Name="setting", Type="String", Value="x"),
    "Secret": of("SecretsManager::Secret", Name="secret", SecretString="x"),
    "Members": of("Cognito::UserPool", UserPoolName="members", LambdaConfig={"PreSignUp": WORK}),
    "Client": of("Cognito::UserPoolClient", UserPoolId={"Ref": "Members"}, GenerateSecret=True),
    "Login": of("Cognito::UserPoolDomain", UserPoolId={"Ref": "Members"}, Domain="login"),
    "Group": of("Cognito::UserPoolGroup", UserPoolId={"Ref": "Members"}, GroupName="group"),
    "Google": of(
        "Cognito::UserPoolIdentityProvider",
        UserPoolId={"Ref": "Members"},
        ProviderName="Google",
        ProviderType="Google",
        ProviderDetails={"client_id": "x"},
    ),
    "Scopes": of("Cognito::UserPoolResourceServer", UserPoolId={"Ref": "Members"}, Identifier="a"),
    "Ada": of("Cognito::UserPoolUser", UserPoolId={"Ref": "Members"}, Username="ada"),
    "AdaInGroup": of(
        "Cognito::UserPoolUserToGroupAttachment",
        UserPoolId={"Ref": "Members"},
        GroupName={"Ref": "Group"},
        Username={"Ref": "Ada"},
    ),
    "Identities": of("Cognito::IdentityPool", AllowUnauthenticatedIdentities=True),
    "Worker": of("StepFunctions::Activity", Name="worker"),
    "Flow": of(
        "StepFunctions::StateMachine",
        StateMachineType="EXPRESS",
        RoleArn="arn:aws:iam::000000000000:role/flow",
        DefinitionString='{"StartAt": "${First}", "States": {"A": {"Type": "Succeed"}}}',
        DefinitionSubstitutions={"First": "A"},
        LoggingConfiguration={"Level": "OFF"},
        Tags=[{"Key": "a", "Value": "b"}],
    ),
    "FlowVersion": of("StepFunctions::StateMachineVersion", StateMachineArn={"Ref": "Flow"}),
    "FlowAlias": of(
        "StepFunctions::StateMachineAlias",
        Name="live",
        Description="what is served",
        RoutingConfiguration=[{"StateMachineVersionArn": {"Ref": "FlowVersion"}, "Weight": 100}],
    ),
    "FlowAlias2": of(
        "StepFunctions::StateMachineAlias",
        Name="next",
        DeploymentPreference={
            "StateMachineVersionArn": {"Ref": "FlowVersion"},
            "Type": "ALL_AT_ONCE",
        },
    ),
    "Flow2": of("StepFunctions::StateMachine", Definition={"StartAt": "A", "States": {}}),
    "Alexa": of("Lambda::Permission", Principal="alexa-appkit.amazon.com", FunctionName="work"),
}

# So many resources refer to these that each would have all the others as neighbours.
COMMON = {"Jobs", "Lost", "Work"}
Place = tuple[str | int, ...]


def places(value: Any, path: Place = ()) -> Iterator[Place]:
    """The path of each part of a resource."""
    parts = enumerate(value) if isinstance(value, list) else ()
    for key, part in value.items() if isinstance(value, dict) else parts:
        yield (*path, key)
        yield from places(part, (*path, key))


def neighbours(name: str) -> dict[str, Any]:
    """A resource, the resources that refer to it, and all that these need."""
    naming = () if name in COMMON else (each for each in RESOURCES if name in named_in(each))
    wanted, found = [name, *naming], set()
    while wanted:
        if (each := wanted.pop()) not in found:
            found.add(each)
            wanted += named_in(each)
    return {each: resource for each, resource in RESOURCES.items() if each in found}


def named_in(name: str) -> set[str]:
    return RESOURCES.keys() & set(re.findall(r"\w+", json.dumps(RESOURCES[name]))) - {name}


def with_part(value: Any, path: Place, part: object) -> Any:
    if not path:
        return part
    changed = copy.copy(value)
    changed[path[0]] = with_part(value[path[0]], path[1:], part)
    return changed


hints_of = cache(get_type_hints)


def misfits(value: object, hint: Any, where: str) -> Iterator[str]:
    """Where a stack holds a value of another type than it declares."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = hints_of(type(value))
        for each in dataclasses.fields(value):
            yield from misfits(getattr(value, each.name), hints[each.name], f"{where}.{each.name}")
    elif isinstance(value, tuple) and get_origin(hint) is tuple and get_args(hint)[-1] is ...:
        for item in value:
            yield from misfits(item, get_args(hint)[0], f"{where}[]")
    elif get_origin(hint) in (Union, types.UnionType):
        known = [each for each in get_args(hint) if isinstance(each, type)]
        if len(known) == len(get_args(hint)) and not isinstance(value, tuple(known)):
            yield f"{where}: {value!r}"
    elif hint in (str, int, bool, Path) and not isinstance(value, hint):
        yield f"{where}: {value!r}"
    elif isinstance(value, dict) and get_args(hint):
        for key, item in value.items():
            yield from misfits(item, get_args(hint)[1], f"{where}[{key}]")


def verdict(folder: Path, template: dict[str, Any], line: str = r":\d+") -> str:
    """Empty where a template is read into a well typed stack, or refused with a line."""
    text = json.dumps(template, indent=0)
    try:
        stack = read_text(folder, text, "template.json")
    except TemplateError as error:
        return "" if re.search(rf"template\.json{line}: ", str(error)) else f"no line: {error}"
    except Exception as error:
        return repr(error)
    return ", ".join(misfits(stack, Stack, "stack"))


def test_the_template_of_these_tests_has_everything_the_reader_reads(tmp_path):
    stack = read_text(tmp_path, json.dumps({"Resources": RESOURCES}), "template.json")

    assert {resource["Type"] for resource in RESOURCES.values()} >= RUN
    assert {each.type for each in stack.ignored} <= {
        "AWS::Cognito::UserPoolDomain",
        "AWS::Cognito::UserPoolIdentityProvider",
        "AWS::Lambda::Permission",
        "ParallelizationFactor",
        "route OPTIONS /b",  # an HTTP API has no integration of type mock
    }
    assert verdict(tmp_path, {"Resources": RESOURCES}) == ""


@pytest.mark.parametrize("name", RESOURCES)
def test_a_part_of_the_wrong_type_is_reported(tmp_path, name):
    around = neighbours(name)
    assert read_text(tmp_path, json.dumps({"Resources": around}), "template.json")

    faults = {
        (*path, repr(wrong)): fault
        for path in places(RESOURCES[name])
        for wrong in (WRONG if len(path) > 2 else WRONG_PROPERTIES)
        if (
            fault := verdict(
                tmp_path,
                {"Resources": {**around, name: with_part(RESOURCES[name], path, wrong)}},
            )
        )
    }

    assert faults == {}


# What stands beside the resources is resolved on the way to them.
SECTIONS = {
    "Parameters": {
        "Size": {"Type": "Number", "Default": 5, "AllowedValues": [5, 6]},
        "Names": {"Type": "CommaDelimitedList", "Default": "a,b"},
        "Setting": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "x"},
    },
    "Mappings": {"Sizes": {"eu-west-1": {"small": 5}}},
    "Conditions": {
        "Big": {"Fn::Equals": [{"Ref": "Size"}, "5"]},
        "Small": {"Fn::Not": [{"Condition": "Big"}]},
        "Either": {"Fn::Or": [{"Condition": "Big"}, {"Fn::And": [{"Condition": "Small"}, True]}]},
    },
    "Resources": {
        "Lost": {
            "Type": "AWS::SQS::Queue",
            "Condition": "Either",
            "Properties": {
                "QueueName": {"Fn::Join": ["-", {"Ref": "Names"}]},
                "VisibilityTimeout": {
                    "Fn::FindInMap": [
                        "Sizes",
                        {"Ref": "AWS::Region"},
                        "small",
                        {"DefaultValue": {"Fn::If": ["Big", {"Fn::Length": {"Ref": "Names"}}, 5]}},
                    ]
                },
                "RedrivePolicy": {
                    "a": {"Fn::Sub": ["${A}${Size}", {"A": {"Ref": "Setting"}}]},
                    "b": {"Fn::Cidr": ["10.0.0.0/16", 2, 8]},
                    "c": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
                    "d": {"Fn::Split": [",", {"Fn::ToJsonString": {"a": {"Fn::Base64": "x"}}}]},
                },
            },
        }
    },
}


def test_a_part_of_the_wrong_type_beside_the_resources_is_reported(tmp_path):
    faults = {
        (*path, repr(wrong)): fault
        for path in places(SECTIONS)
        for wrong in WRONG_PROPERTIES
        if (fault := verdict(tmp_path, with_part(SECTIONS, path, wrong), line="(:\\d+)?"))
    }

    assert verdict(tmp_path, SECTIONS) == ""
    assert faults == {}

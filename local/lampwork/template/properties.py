"""The properties of the resource types that are run, to find misspelt ones.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from lampwork.template.document import SAM, Document

PROPERTIES: Final = {
    "AWS::ApiGateway::Authorizer": (
        "AuthType AuthorizerCredentials AuthorizerResultTtlInSeconds AuthorizerUri "
        "IdentitySource IdentityValidationExpression Name ProviderARNs RestApiId Type"
    ),
    "AWS::ApiGateway::Method": (
        "ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId HttpMethod "
        "Integration MethodResponses OperationName RequestModels RequestParameters "
        "RequestValidatorId ResourceId RestApiId"
    ),
    "AWS::ApiGateway::Resource": "ParentId PathPart RestApiId",
    "AWS::ApiGateway::RestApi": (
        "ApiKeySourceType BinaryMediaTypes Body BodyS3Location CloneFrom Description "
        "DisableExecuteApiEndpoint EndpointAccessMode EndpointConfiguration FailOnWarnings "
        "MinimumCompressionSize Mode Name Parameters Policy SecurityPolicy Tags Version"
    ),
    "AWS::ApiGateway::Stage": (
        "AccessLogSetting CacheClusterEnabled CacheClusterSize CanarySetting "
        "ClientCertificateId DeploymentId Description DocumentationVersion MethodSettings "
        "RestApiId StageName Tags TracingEnabled Variables"
    ),
    "AWS::ApiGatewayV2::Api": (
        "ApiKeySelectionExpression BasePath Body BodyS3Location CorsConfiguration "
        "CredentialsArn Description DisableExecuteApiEndpoint DisableSchemaValidation "
        "FailOnWarnings IpAddressType Name ProtocolType RouteKey RouteSelectionExpression "
        "Tags Target Version"
    ),
    "AWS::ApiGatewayV2::Authorizer": (
        "ApiId AuthorizerCredentialsArn AuthorizerPayloadFormatVersion "
        "AuthorizerResultTtlInSeconds AuthorizerType AuthorizerUri EnableSimpleResponses "
        "IdentitySource IdentityValidationExpression JwtConfiguration Name"
    ),
    "AWS::ApiGatewayV2::Integration": (
        "ApiId ConnectionId ConnectionType ContentHandlingStrategy CredentialsArn Description "
        "IntegrationMethod IntegrationSubtype IntegrationType IntegrationUri "
        "PassthroughBehavior PayloadFormatVersion RequestParameters RequestTemplates "
        "ResponseParameters TemplateSelectionExpression TimeoutInMillis TlsConfig"
    ),
    "AWS::ApiGatewayV2::Route": (
        "ApiId ApiKeyRequired AuthorizationScopes AuthorizationType AuthorizerId "
        "ModelSelectionExpression OperationName RequestModels RequestParameters RouteKey "
        "RouteResponseSelectionExpression Target"
    ),
    "AWS::ApiGatewayV2::RouteResponse": (
        "ApiId ModelSelectionExpression ResponseModels ResponseParameters RouteId RouteResponseKey"
    ),
    "AWS::ApiGatewayV2::Stage": (
        "AccessLogSettings ApiId AutoDeploy ClientCertificateId DefaultRouteSettings "
        "DeploymentId Description RouteSettings StageName StageVariables Tags"
    ),
    "AWS::Events::Rule": (
        "Description EventBusName EventPattern Name RoleArn ScheduleExpression State Tags Targets"
    ),
    "AWS::Lambda::EventSourceMapping": (
        "AmazonManagedKafkaEventSourceConfig BatchSize BisectBatchOnFunctionError "
        "DestinationConfig DocumentDBEventSourceConfig Enabled EventSourceArn FilterCriteria "
        "FunctionName FunctionResponseTypes KmsKeyArn LoggingConfig "
        "MaximumBatchingWindowInSeconds MaximumRecordAgeInSeconds MaximumRetryAttempts "
        "MetricsConfig ParallelizationFactor ProvisionedPollerConfig Queues ScalingConfig "
        "SelfManagedEventSource SelfManagedKafkaEventSourceConfig SourceAccessConfigurations "
        "StartingPosition StartingPositionTimestamp Tags Topics TumblingWindowInSeconds"
    ),
    "AWS::Lambda::Function": (
        "Architectures CapacityProviderConfig Code CodeSigningConfigArn DeadLetterConfig "
        "Description DurableConfig Environment EphemeralStorage FileSystemConfigs "
        "FunctionName FunctionScalingConfig Handler ImageConfig KmsKeyArn Layers "
        "LoggingConfig MemorySize PackageType PublishToLatestPublished RecursiveLoop "
        "ReservedConcurrentExecutions Role Runtime RuntimeManagementConfig SnapStart Tags "
        "TenancyConfig Timeout TracingConfig VpcConfig"
    ),
    "AWS::Lambda::LayerVersion": (
        "CompatibleArchitectures CompatibleRuntimes Content Description LayerName LicenseInfo"
    ),
    "AWS::Lambda::Url": "AuthType Cors InvokeMode Qualifier TargetFunctionArn",
    "AWS::SQS::Queue": (
        "ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue "
        "FifoThroughputLimit KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize "
        "MessageRetentionPeriod QueueName ReceiveMessageWaitTimeSeconds RedriveAllowPolicy "
        "RedrivePolicy SqsManagedSseEnabled Tags VisibilityTimeout"
    ),
    "AWS::Scheduler::Schedule": (
        "Description EndDate FlexibleTimeWindow GroupName KmsKeyArn Name ScheduleExpression "
        "ScheduleExpressionTimezone StartDate State Target"
    ),
}
SAM_TYPES: Final = (
    "Api Application CapacityProvider Connector Function GraphQLApi HttpApi LayerVersion "
    "MicrovmImage NetworkConnector SimpleTable StateMachine WebFunction WebSocketApi"
)
SAM_PREFIX: Final = "AWS::Serverless::"


def check_spelling(document: Document) -> None:
    """What SAM does not check itself: CloudFormation's own resources, and types of its own.

    A name that resembles none of the known ones is let pass: AWS may have it by now.

    Raises:
        TemplateError: a type or a property seems to be misspelt; says in which line.
    """
    for logical_id, resource in document.resources.items():
        _check_type(document, logical_id, resource["Type"])
        known = PROPERTIES.get(resource["Type"], "").split()
        properties: Mapping[str, Any] = resource.get("Properties") or {}
        for name in properties:
            if known and name not in known and (meant := get_close_matches(name, known, 1)):
                raise document.error(
                    logical_id,
                    f"{resource['Type']} has no property {name}; {meant[0]} may be meant.",
                    name,
                )


def _check_type(document: Document, logical_id: str, type: str) -> None:
    known = [SAM_PREFIX + name for name in SAM_TYPES.split()]
    if type.startswith(SAM_PREFIX) and type not in known:
        meant = get_close_matches(type, known, 1)
        hint = f"; {meant[0]} may be meant" if meant else ""
        raise document.error(logical_id, f"SAM has no resource type {type}{hint}.")
    if type.startswith(SAM_PREFIX) and not document.is_sam:
        raise document.error(
            logical_id, f"{logical_id} has a type of SAM: the template needs `Transform: {SAM}`."
        )

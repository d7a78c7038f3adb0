"""What Ref and Fn::GetAtt give for a resource: names, addresses and ARNs as on AWS."""

import hashlib
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lampwork.stack.custom_resources import is_custom
from lampwork.stack.custom_resources import reference as custom_reference
from lampwork.stack.model import ACCOUNT_ID

PARTITION: Final = "aws"
URL_SUFFIX: Final = "amazonaws.com"
API: Final = "AWS::ApiGatewayV2::Api"
REST_API: Final = "AWS::ApiGateway::RestApi"
STACK: Final = "AWS::CloudFormation::Stack"
RULE: Final = "AWS::Events::Rule"
USER_POOL: Final = "AWS::Cognito::UserPool"
USER_POOL_CLIENT: Final = "AWS::Cognito::UserPoolClient"
IDENTITY_POOL: Final = "AWS::Cognito::IdentityPool"
# The types whose id is one that Cognito makes.
OF_COGNITO: Final = (USER_POOL, USER_POOL_CLIENT, IDENTITY_POOL)
ID_ALPHABET: Final = string.digits + string.ascii_lowercase
ID_LENGTH: Final = 10
ELB: Final = "AWS::ElasticLoadBalancingV2::"
STREAM_LABEL: Final = "2026-01-01T00:00:00.000"  # on AWS, when it was enabled

# The property that holds the name of a resource, where it is not `Name`.
NAME_PROPERTIES: Final = {
    "AWS::ApiGateway::Stage": "StageName",
    "AWS::ApiGatewayV2::Stage": "StageName",
    "AWS::Cognito::IdentityPool": "IdentityPoolName",
    "AWS::Cognito::UserPool": "UserPoolName",
    "AWS::Cognito::UserPoolClient": "ClientName",
    "AWS::Cognito::UserPoolDomain": "Domain",
    "AWS::Cognito::UserPoolGroup": "GroupName",
    "AWS::Cognito::UserPoolIdentityProvider": "ProviderName",
    "AWS::Cognito::UserPoolResourceServer": "Identifier",
    "AWS::Cognito::UserPoolUser": "Username",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SES::EmailIdentity": "EmailIdentity",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
ARNS: Final = {
    "AWS::DynamoDB::GlobalTable": "dynamodb:{region}:{account}:table/{name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    f"{ELB}Listener": "elasticloadbalancing:{region}:{account}:listener/app/{name}/{id}",
    f"{ELB}ListenerRule": "elasticloadbalancing:{region}:{account}:listener-rule/app/{name}/{id}",
    f"{ELB}LoadBalancer": "elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{id}",
    f"{ELB}TargetGroup": "elasticloadbalancing:{region}:{account}:targetgroup/{name}/{id}",
    "AWS::Events::ApiDestination": "events:{region}:{account}:api-destination/{name}/{id}",
    "AWS::Events::Connection": "events:{region}:{account}:connection/{name}/{id}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{name}",
    RULE: "events:{region}:{account}:rule/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Kinesis::Stream": "kinesis:{region}:{account}:stream/{name}",
    "AWS::KinesisFirehose::DeliveryStream": "firehose:{region}:{account}:deliverystream/{name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::Pipes::Pipe": "pipes:{region}:{account}:pipe/{name}",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::Scheduler::Schedule": "scheduler:{region}:{account}:schedule/default/{name}",
    "AWS::SSM::Parameter": "ssm:{region}:{account}:parameter/{name}",
    "AWS::SecretsManager::Secret": "secretsmanager:{region}:{account}:secret:{name}",
    "AWS::StepFunctions::Activity": "states:{region}:{account}:activity:{name}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{name}",
}
REFERRED_TO_BY_ARN: Final = frozenset(
    {
        f"{ELB}Listener",
        f"{ELB}ListenerRule",
        f"{ELB}LoadBalancer",
        f"{ELB}TargetGroup",
        "AWS::SNS::Topic",
        "AWS::SecretsManager::Secret",
        "AWS::StepFunctions::Activity",
        "AWS::StepFunctions::StateMachine",
    }
)
REFERRED_TO_BY_ID: Final = frozenset(
    {
        API,
        REST_API,
        "AWS::ApiGateway::ApiKey",
        "AWS::ApiGateway::Authorizer",
        "AWS::ApiGateway::RequestValidator",
        "AWS::ApiGateway::Resource",
        "AWS::ApiGateway::UsagePlan",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack is deployed, as far as its resources' names show it.

    `prefix` tells the logical ids of a nested stack from those of others: Parent/.
    """

    region: str
    stack_name: str
    queue_url_base: str
    prefix: str = ""

    @property
    def stack_id(self) -> str:
        """The stack's ARN; its last part is random on AWS."""
        name = self.stack_name
        path = f"stack/{name}/{uuid.uuid5(uuid.NAMESPACE_OID, name)}"
        return f"arn:{PARTITION}:cloudformation:{self.region}:{ACCOUNT_ID}:{path}"

    def of_nested(self, logical_id: str) -> "Place":
        """The place of a stack that is a resource of this one."""
        return replace(
            self,
            stack_name=derived_name(self.stack_name, logical_id, STACK),
            prefix=f"{self.prefix}{logical_id}/",
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """One resource under its name. `name` is the given one, else {stack}-{logical id}; `bus` is
    that of a rule of events that is not on the default one."""

    logical_id: str
    type: str
    name: str
    place: Place
    web_socket: bool = False
    bus: str | None = None

    @property
    def id(self) -> str:
        """Ten lower-case letters and digits, as an API has them; the same on every machine."""
        return self._letters(ID_LENGTH)

    def _letters(self, length: int, of: str = "") -> str:
        path = f"{self.place.prefix}{self.logical_id}{of}"
        number = int.from_bytes(hashlib.sha256(path.encode()).digest())
        return "".join(ID_ALPHABET[number // 36**place % 36] for place in range(length))

    @property
    def arn(self) -> str:
        if self.type == USER_POOL:
            path = f"userpool/{self.cognito_id}"
            return f"arn:{PARTITION}:cognito-idp:{self.place.region}:{ACCOUNT_ID}:{path}"
        service = self.type.split("::")[1].lower()
        pattern = ARNS.get(self.type, service + ":{region}:{account}:{name}")
        values = {
            "region": self.place.region,
            "account": ACCOUNT_ID,
            "name": f"{self.bus}/{self.name}" if self.bus else self.name,
            "id": self.id,
        }
        return f"arn:{PARTITION}:{pattern.format(**values)}"

    @property
    def api_key_value(self) -> str:
        """The value of an API key whose template gives none: 40 characters."""
        return self._letters(40, "/key")

    @property
    def queue_url(self) -> str:
        return f"{self.place.queue_url_base}/{ACCOUNT_ID}/{self.name}"

    @property
    def api_endpoint(self) -> str:
        scheme = "wss" if self.web_socket else "https"
        return f"{scheme}://{self.id}.execute-api.{self.place.region}.{URL_SUFFIX}"

    @property
    def cognito_id(self) -> str:
        """The id of a user pool, of its client or of an identity pool, in AWS's form."""
        if self.type == USER_POOL:
            return f"{self.place.region}_{self._letters(9)}"
        if self.type == IDENTITY_POOL:
            return f"{self.place.region}:{uuid.uuid5(uuid.NAMESPACE_OID, self._letters(26))}"
        return self._letters(26)

    @property
    def path(self) -> str:
        """Its logical id with those of the stacks around it: Parent/Id."""
        return f"{self.place.prefix}{self.logical_id}"

    @property
    def client_secret(self) -> str:
        """The secret of a user pool's client, which is the same on every machine."""
        return self._letters(26, of="/secret") + self._letters(26, of="/rest")

    @property
    def issuer(self) -> str:
        """Who issues the tokens of a user pool, without https://."""
        return f"cognito-idp.{self.place.region}.{URL_SUFFIX}/{self.cognito_id}"

    @property
    def reference(self) -> str:
        """What {"Ref": …} gives."""
        if self.type in OF_COGNITO:
            return self.cognito_id
        if is_custom(self.type):
            return custom_reference(self.path)
        if self.type == "AWS::SQS::Queue":
            return self.queue_url
        if self.bus:
            return f"{self.bus}|{self.name}"
        if self.type in REFERRED_TO_BY_ARN:
            return self.arn
        return self.id if self.type in REFERRED_TO_BY_ID else self.name

    def attribute(self, name: str) -> str | None:
        """What {"Fn::GetAtt": …} gives; None where the type is known not to have it.

        An attribute of a type the emulator does not run, such as a database's address, is a
        stand-in: LogicalId.Attribute.
        """
        if is_custom(self.type):
            return custom_reference(self.path, name)
        if name in ("Arn", "TopicArn"):
            return self.arn
        known = ATTRIBUTES.get(self.type)
        if known is None:
            return f"{self.logical_id}.{name}"
        return known[name](self) if name in known else None


ATTRIBUTES: Final[Mapping[str, Mapping[str, Callable[[Identity], str]]]] = {
    API: {"ApiId": lambda api: api.id, "ApiEndpoint": lambda api: api.api_endpoint},
    REST_API: {"RestApiId": lambda api: api.id, "RootResourceId": lambda api: f"{api.id}-root"},
    "AWS::ApiGateway::ApiKey": {"APIKeyId": lambda key: key.id},
    "AWS::ApiGateway::RequestValidator": {"RequestValidatorId": lambda validator: validator.id},
    "AWS::ApiGateway::Resource": {"ResourceId": lambda resource: resource.id},
    "AWS::ApiGateway::UsagePlan": {"Id": lambda plan: plan.id},
    "AWS::ApiGateway::Authorizer": {"AuthorizerId": lambda authorizer: authorizer.id},
    "AWS::ApiGatewayV2::Authorizer": {"AuthorizerId": lambda authorizer: authorizer.id},
    "AWS::ApiGatewayV2::Integration": {"IntegrationId": lambda integration: integration.id},
    "AWS::ApiGatewayV2::Route": {"RouteId": lambda route: route.id},
    USER_POOL: {
        "ProviderName": lambda pool: pool.issuer,
        "ProviderURL": lambda pool: f"https://{pool.issuer}",
        "UserPoolId": lambda pool: pool.cognito_id,
    },
    USER_POOL_CLIENT: {
        "ClientId": lambda client: client.cognito_id,
        "ClientSecret": lambda client: client.client_secret,
        "Name": lambda client: client.name,
    },
    IDENTITY_POOL: {"Id": lambda pool: pool.cognito_id, "Name": lambda pool: pool.name},
    "AWS::DynamoDB::Table": {"StreamArn": lambda table: f"{table.arn}/stream/{STREAM_LABEL}"},
    f"{ELB}LoadBalancer": {
        "DNSName": lambda balancer: (
            f"{balancer.name}-{balancer.id}.{balancer.place.region}.elb.{URL_SUFFIX}"
        ),
        "LoadBalancerArn": lambda balancer: balancer.arn,
        "LoadBalancerName": lambda balancer: balancer.name,
        "LoadBalancerFullName": lambda balancer: f"app/{balancer.name}/{balancer.id}",
        "CanonicalHostedZoneID": lambda balancer: "Z35SXDOTRQ7X7K",
        "SecurityGroups": lambda balancer: f"{balancer.logical_id}.SecurityGroups",
    },
    f"{ELB}Listener": {"ListenerArn": lambda listener: listener.arn},
    f"{ELB}ListenerRule": {
        "RuleArn": lambda rule: rule.arn,
        "IsDefault": lambda rule: "false",
    },
    f"{ELB}TargetGroup": {
        "TargetGroupArn": lambda group: group.arn,
        "TargetGroupName": lambda group: group.name,
        "TargetGroupFullName": lambda group: f"targetgroup/{group.name}/{group.id}",
        "LoadBalancerArns": lambda group: "",
    },
    "AWS::Events::EventBus": {"Name": lambda bus: bus.name},
    "AWS::Lambda::Function": {},
    "AWS::Lambda::Url": {
        "FunctionUrl": lambda url: f"https://{url.id}.lambda-url.{url.place.region}.on.aws/",
        "FunctionArn": lambda url: url.arn,
    },
    "AWS::Lambda::Version": {"Version": lambda version: "1"},
    "AWS::S3::Bucket": {
        "DomainName": lambda bucket: f"{bucket.name}.s3.{URL_SUFFIX}",
        "DualStackDomainName": lambda bucket: (
            f"{bucket.name}.s3.dualstack.{bucket.place.region}.{URL_SUFFIX}"
        ),
        "RegionalDomainName": lambda bucket: f"{bucket.name}.s3.{bucket.place.region}.{URL_SUFFIX}",
        "WebsiteURL": lambda bucket: (
            f"http://{bucket.name}.s3-website-{bucket.place.region}.{URL_SUFFIX}"
        ),
    },
    "AWS::SNS::Topic": {"TopicName": lambda topic: topic.name},
    "AWS::StepFunctions::StateMachine": {
        "Name": lambda machine: machine.name,
        "StateMachineRevisionId": lambda machine: "INITIAL",
    },
    "AWS::SQS::Queue": {
        "QueueName": lambda queue: queue.name,
        "QueueUrl": lambda queue: queue.queue_url,
    },
}


def derived_name(stack_name: str, logical_id: str, type: str, *, fifo: bool = False) -> str:
    """The name of a resource without a name of its own. AWS would add random letters to it."""
    name = f"{stack_name}-{logical_id}"
    if type == "AWS::S3::Bucket":
        return name.lower()
    return f"{name}.fifo" if fifo else name

from collections.abc import Iterator
from typing import Any, Final

from lampwork.stack.custom_resources import is_custom
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import CustomResource
from lampwork.template.resource import Resource, Template

# The CDK's own. The first is read with the bucket that it is about; what the others do has no
# effect at home: they empty a bucket before it is deleted, and set how long logs are kept.
NOTIFICATIONS: Final = "Custom::S3BucketNotifications"
WITHOUT_EFFECT: Final = ("Custom::S3AutoDeleteObjects", "Custom::LogRetention")
DEPLOYMENT: Final = "Custom::CDKBucketDeployment"


def read_custom_resources(
    template: Template, functions: FunctionNames
) -> tuple[CustomResource, ...]:
    """The custom resources whose function is in the template.

    Raises:
        TemplateError: a property cannot be resolved.
    """
    return tuple(_read(template, functions))


def _read(template: Template, functions: FunctionNames) -> Iterator[CustomResource]:
    for resource in template:
        if not is_custom(resource.type):
            continue
        resource.claim()
        if resource.type == NOTIFICATIONS or resource.type in WITHOUT_EFFECT:
            continue
        if resource.type == DEPLOYMENT:
            resource.ignore(resource.type, "Lampwork copies no files to buckets; use `aws s3 cp`")
            continue
        token = resource.text("ServiceToken")
        function = functions.find(token)
        if function is None:
            resource.ignore(
                resource.type, f"its ServiceToken, {token}, is no function that runs here"
            )
            continue
        yield CustomResource(
            logical_id=resource.logical_id,
            type=resource.type,
            function=function.logical_id,
            stack_id=resource.identity.place.stack_id,
            properties=as_texts(resource.properties()),
            after=resource.depends_on,
            template=resource.file,
            line=resource.line,
        )


def as_texts(value: Any) -> Any:
    """Properties as CloudFormation sends them to a function, which sees all scalars as text."""
    match value:
        case dict():
            return {key: as_texts(each) for key, each in value.items()}
        case list():
            return [as_texts(each) for each in value]
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return value


def bucket_notifications(bucket: Resource) -> dict[str, list[dict[str, Any]]]:
    """What the CDK's custom resources give the bucket beside its own NotificationConfiguration, in
    the form of the latter."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in bucket.template.of_type(NOTIFICATIONS):
        if resource.text("BucketName") != bucket.identity.reference:
            continue
        given = resource.section("NotificationConfiguration")
        for theirs, arn, ours, target in TARGETS:
            for each in given.sections(theirs):
                rules = each.section("Filter").section("Key").get("FilterRules")
                only = {"Filter": {"S3Key": {"Rules": rules}}} if rules else {}
                found.setdefault(ours, []).extend(
                    {"Event": event, target: each.required(arn), **only}
                    for event in each.texts("Events")
                )
    return found


# A list in PutBucketNotificationConfiguration and its target, then both in CloudFormation.
TARGETS: Final = (
    ("LambdaFunctionConfigurations", "LambdaFunctionArn", "LambdaConfigurations", "Function"),
    ("QueueConfigurations", "QueueArn", "QueueConfigurations", "Queue"),
    ("TopicConfigurations", "TopicArn", "TopicConfigurations", "Topic"),
)

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.stack.model import CloudResource

# Each line: the name of a list of notifications in CloudFormation and the key of the target in it,
# then the name of the same list in S3's API and the key of the target there.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-s3-bucket-notificationconfiguration.html
NOTIFICATIONS: Final = (
    ("LambdaConfigurations", "Function", "LambdaFunctionConfigurations", "LambdaFunctionArn"),
    ("QueueConfigurations", "Queue", "QueueConfigurations", "QueueArn"),
    ("TopicConfigurations", "Topic", "TopicConfigurations", "TopicArn"),
)


def create_bucket(clients: Clients, resource: CloudResource) -> Made:
    """Create a bucket if it is missing; set its versioning and its notifications."""
    s3, name, properties = clients("s3"), resource.name, resource.properties
    if name not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=name, **_location(s3.meta.region_name))
    if versioning := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    wanted = properties.get("NotificationConfiguration", {})
    notifications: dict[str, object] = {
        theirs: list(_notifications(wanted.get(ours, []), target, target_arn))
        for ours, target, theirs, target_arn in NOTIFICATIONS
    }
    if wanted.get("EventBridgeConfiguration", {}).get("EventBridgeEnabled"):
        notifications["EventBridgeConfiguration"] = {}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=notifications)
    return {}


def _notifications(
    wanted: list[Mapping[str, Any]], target: str, target_arn: str
) -> Iterator[dict[str, object]]:
    for each in wanted:
        notification: dict[str, object] = {target_arn: each[target], "Events": [each["Event"]]}
        if rules := each.get("Filter", {}).get("S3Key", {}).get("Rules"):
            notification["Filter"] = {"Key": {"FilterRules": rules}}
        yield notification


def _location(region: str) -> dict[str, dict[str, str]]:
    # us-east-1 is S3's default, and S3 refuses a request that names it.
    return (
        {}
        if region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )

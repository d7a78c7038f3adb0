"""What a template's topics, buckets and rules send events to."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from lampwork.stack.model import CloudResource

RULE: Final = "AWS::Events::Rule"
# Kind, list of targets, and where each target has its ARN.
LISTS: Final = {
    "AWS::SNS::Topic": ("topic", "Subscription", "Endpoint"),
    RULE: ("rule", "Targets", "Arn"),
}
SUBSCRIPTION: Final = "AWS::SNS::Subscription"
BUCKET: Final = "AWS::S3::Bucket"
NOTIFICATIONS: Final = "NotificationConfiguration"
TO_FUNCTIONS: Final = "LambdaConfigurations"


def targets_of(resource: CloudResource) -> Iterator[tuple[str, str, str]]:
    """For each target the kind of its source, the source, and the target's ARN."""
    properties = resource.properties
    if resource.type == SUBSCRIPTION:
        topic = str(properties.get("TopicArn")).rpartition(":")[2]
        yield "topic", topic, str(properties.get("Endpoint"))
    elif resource.type == BUCKET:
        for each in _notifications(properties):
            yield "bucket", f"{resource.name}  {each.get('Event')}", str(each.get("Function"))
    elif resource.type in LISTS:
        kind, name, key = LISTS[resource.type]
        for each in properties.get(name) or []:
            yield kind, resource.name, str(each.get(key))


def with_targets(resource: CloudResource, keeps: Callable[[str], bool]) -> CloudResource | None:
    """The resource with those of its targets alone whose ARN is to be kept; None for what is
    nothing without one."""
    properties = resource.properties
    if resource.type == SUBSCRIPTION:
        return resource if keeps(str(properties.get("Endpoint"))) else None
    if resource.type == BUCKET and (notifications := _notifications(properties)):
        kept = [each for each in notifications if keeps(str(each.get("Function")))]
        changed = {**properties[NOTIFICATIONS], TO_FUNCTIONS: kept}
        return replace(resource, properties={**properties, NOTIFICATIONS: changed})
    if resource.type in LISTS:
        _, name, key = LISTS[resource.type]
        if targets := properties.get(name):
            kept = [each for each in targets if keeps(str(each.get(key)))]
            if not kept and resource.type == RULE:
                return None
            return replace(resource, properties={**properties, name: kept})
    return resource


def _notifications(properties: Mapping[str, Any]) -> list[Any]:
    return (properties.get(NOTIFICATIONS) or {}).get(TO_FUNCTIONS) or []

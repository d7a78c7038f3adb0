import uuid
from collections.abc import Iterator
from typing import Any, Final

from lampwork.events.sns import Publication, Subscription, sns_event
from lampwork.stack.model import ACCOUNT_ID, CloudResource
from lampwork.stack.narrowing import Keeps
from lampwork.triggers.samples import REGION, Option, Sample, Service
from lampwork.triggers.targets.target_source import Target, TargetSource, list_of, with_list

SUBSCRIPTION: Final = "AWS::SNS::Subscription"


def make_notification(
    *, message: str, subject: str | None, topic: str, region: str
) -> dict[str, Any]:
    topic_arn = f"arn:aws:sns:{region}:{ACCOUNT_ID}:{topic}"
    subscription = Subscription(f"{topic_arn}:{uuid.uuid4()}", topic_arn)
    return sns_event(subscription, Publication(str(uuid.uuid4()), message, subject))


class TopicSource(TargetSource):
    """Topics of SNS, with their subscriptions."""

    kind = "topic"
    types = ("AWS::SNS::Topic", SUBSCRIPTION)
    samples = (
        Sample(
            (Service("sns", "Topics."),),
            "notification",
            "A message that was published.",
            make_notification,
            (
                Option("message", "Hello from SNS!"),
                Option("subject"),
                Option("topic", "MyTopic"),
                REGION,
            ),
        ),
    )

    def targets(self, resource: CloudResource) -> Iterator[Target]:
        properties = resource.properties
        if resource.type == SUBSCRIPTION:
            topic = str(properties.get("TopicArn")).rpartition(":")[2]
            yield topic, str(properties.get("Endpoint"))
        else:
            for each in list_of(properties, "Subscription"):
                yield resource.name, str(each.get("Endpoint"))

    def with_targets(self, resource: CloudResource, keeps: Keeps) -> CloudResource | None:
        if resource.type == SUBSCRIPTION:
            return resource if keeps(str(resource.properties.get("Endpoint"))) else None
        return with_list(resource, "Subscription", "Endpoint", keeps)

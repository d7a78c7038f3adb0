import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote_plus

from moto.events.models import Rule
from moto.s3 import notifications
from moto.sns.models import Subscription
from moto.sqs.models import Message, SQSBackend

from lampwork.cloud.backends import backend
from lampwork.model import ACCOUNT_ID, FUNCTION_EVENTS_QUEUE, STREAM_QUEUE_PREFIX
from lampwork.triggers.event_input import input_of, rule_event

# As long as SQS can hide a message: until it is deleted it is somebody's work.
VISIBILITY_SECONDS: Final = 43_200


class FunctionTargets:
    """Lets moto's SNS, S3 and EventBridge invoke functions: each event goes to a queue that
    ListQueues does not show, from which the emulator takes it to the function.

    So an event that was accepted is not lost with a process; it waits until it is delivered.
    """

    def __init__(self, region: str) -> None:
        self._queues = backend("sqs", region)

    def install(self) -> None:
        if FUNCTION_EVENTS_QUEUE not in self._queues.queues:
            self._queues.create_queue(FUNCTION_EVENTS_QUEUE)
        queue = self._queues.queues[FUNCTION_EVENTS_QUEUE]
        queue.visibility_timeout = VISIBILITY_SECONDS
        self._notify_from_s3()
        self._publish_from_sns()
        self._send_from_rules()
        _hide_own_queues()

    def _put(self, function_arn: str, payload: str, **more: str) -> None:
        body = json.dumps({"function": function_arn, "payload": payload, **more})
        message = Message(str(uuid.uuid4()), body)
        message.mark_sent()
        # By `get_queue`, so that the message is kept; SQS's own limit is not for these.
        self._queues.get_queue(FUNCTION_EVENTS_QUEUE).add_message(message)

    def _notify_from_s3(self) -> None:
        def invoke(_account: str, event: Any, function_arn: str, _region: str) -> None:
            self._put(function_arn, json.dumps(event))

        s3: Any = notifications
        s3._invoke_awslambda = invoke
        s3._get_s3_event = s3_event

    def _publish_from_sns(self) -> None:
        kind: Any = Subscription
        publish = kind.publish

        def publish_to_functions_too(
            subscription: Any, message: str, message_id: str, **options: Any
        ) -> None:
            if subscription.protocol != "lambda":
                publish(subscription, message, message_id, **options)
                return
            attributes = options.get("message_attributes")
            matcher = subscription._filter_policy_matcher
            if matcher is None or matcher.matches(attributes, message):
                if options.get("message_structure") == "json":
                    message = subscription._parse_message_structure(message, "lambda")
                event = sns_event(subscription, message, message_id, options)
                self._put(subscription.endpoint, json.dumps(event))

        kind.publish = publish_to_functions_too

    def _send_from_rules(self) -> None:
        def send_to_targets(rule: Any, event: Any, transform_input: bool = True) -> None:
            if rule.state == "ENABLED" and rule.event_pattern.matches_event(event):
                for target in rule.targets:
                    self._send(rule, target, rule_event(event))

        kind: Any = Rule
        kind.send_to_targets = send_to_targets

    def _send(self, rule: Any, target: Mapping[str, Any], event: dict[str, Any]) -> None:
        _, _, service, region, _, name = target["Arn"].split(":", 5)
        text = input_of(target, event, rule_arn=rule.arn, rule_name=rule.name)
        match service:
            case "lambda":
                dead_letter = target.get("DeadLetterConfig", {}).get("Arn", "")
                self._put(target["Arn"], text, rule=rule.arn, dead_letter=dead_letter)
            case "sqs":
                group = target.get("SqsParameters", {}).get("MessageGroupId")
                backend("sqs", region).send_message(name, text, group_id=group)
            case "sns":
                backend("sns", region).publish(text, arn=target["Arn"])
            case "events":
                entry = {
                    "Source": event["source"],
                    "DetailType": event["detail-type"],
                    "Detail": json.dumps(event["detail"]),
                    "EventBusName": name.removeprefix("event-bus/"),
                }
                backend("events", region).put_events([entry])


def s3_event(event_name: str, bucket: Any, key: Any, configuration_id: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    about = {"key": quote_plus(key.name, safe="/"), "size": key.size, "eTag": key.etag.strip('"')}
    removed = ":ObjectRemoved:" in event_name
    if removed:
        about = {"key": about["key"]}
    if bucket.is_versioned:
        about["versionId"] = str(key.version_id)
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
        "eventTime": _now(),
        "eventName": event_name.removeprefix("s3:"),
        "userIdentity": {"principalId": f"AWS:{ACCOUNT_ID}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": uuid.uuid4().hex[:16].upper(),
            "x-amz-id-2": uuid.uuid4().hex,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": ACCOUNT_ID},
                "arn": bucket.arn,
            },
            "object": {**about, "sequencer": uuid.uuid1().hex[:18].upper()},
        },
    }
    return {"Records": [record]}


def sns_event(
    subscription: Any, message: str, message_id: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""
    address = f"https://sns.{subscription.topic_arn.split(':')[3]}.amazonaws.com/"
    notification = {
        "SignatureVersion": "1",
        "Timestamp": _now(),
        "Signature": "EXAMPLE",
        "SigningCertUrl": f"{address}SimpleNotificationService.pem",
        "MessageId": message_id,
        "Message": message,
        "MessageAttributes": {
            name: {"Type": value["Type"], "Value": _plain(value["Value"])}
            for name, value in (options.get("message_attributes") or {}).items()
        },
        "Type": "Notification",
        "UnsubscribeUrl": f"{address}?Action=Unsubscribe&SubscriptionArn={subscription.arn}",
        "TopicArn": subscription.topic_arn,
        "Subject": options.get("subject"),
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": notification,
    }
    return {"Records": [record]}


def _hide_own_queues() -> None:
    kind: Any = SQSBackend
    list_queues = kind.list_queues

    def without_own(backend: Any, prefix: str) -> list[Any]:
        return [queue for queue in list_queues(backend, prefix) if not _is_own(queue.name)]

    kind.list_queues = without_own


def _is_own(queue: str) -> bool:
    return queue == FUNCTION_EVENTS_QUEUE or queue.startswith(STREAM_QUEUE_PREFIX)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else str(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

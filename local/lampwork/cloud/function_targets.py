import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

from moto.events.models import Rule
from moto.s3 import notifications
from moto.sns.models import Subscription
from moto.sqs.models import Message, SQSBackend

from lampwork.cloud.backends import backend
from lampwork.events.s3 import s3_event
from lampwork.events.sns import sns_event
from lampwork.events.target_input import input_of, rule_event
from lampwork.stack.model import FUNCTION_EVENTS_QUEUE, STREAM_QUEUE_PREFIX

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


def _hide_own_queues() -> None:
    kind: Any = SQSBackend
    list_queues = kind.list_queues

    def without_own(backend: Any, prefix: str) -> list[Any]:
        return [queue for queue in list_queues(backend, prefix) if not _is_own(queue.name)]

    kind.list_queues = without_own


def _is_own(queue: str) -> bool:
    return queue == FUNCTION_EVENTS_QUEUE or queue.startswith(STREAM_QUEUE_PREFIX)

import json
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from lampwork.cloud.moto_seam import events, s3, sns, sqs
from lampwork.cloud.request_trace import trace_header
from lampwork.cloud.state_machines.errors import StatesError
from lampwork.events.s3 import Bucket, S3Object, s3_event
from lampwork.events.sns import Publication, Subscription, sns_event
from lampwork.events.target_input import input_of, rule_event
from lampwork.stack.model import FUNCTION_EVENTS_QUEUE, STREAM_QUEUE_PREFIX

# The longest time that SQS allows. A message stays hidden while somebody works on it, and the
# emulator deletes it afterwards.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
VISIBILITY_SECONDS: Final = 43_200


class FunctionTargets:
    """Lets moto's SNS, S3 and EventBridge invoke functions, and EventBridge start state machines.

    Each event goes into a queue that ListQueues does not show. The emulator reads the queue and
    invokes the function. So an accepted event survives the end of a process: it waits in the queue
    until it is delivered.
    """

    def __init__(self, region: str, start_execution: Callable[..., object]) -> None:
        """`start_execution` takes a state machine's ARN, and `name` and `input` of an execution."""
        self._region = region
        self._start_execution = start_execution

    def install(self) -> None:
        queue = sqs.find_queue(self._region, FUNCTION_EVENTS_QUEUE)
        queue = queue or sqs.create_queue(self._region, FUNCTION_EVENTS_QUEUE)
        sqs.set_visibility_timeout(queue, VISIBILITY_SECONDS)
        s3.notify_functions(self._put_event, _s3_event)
        sns.deliver_to_functions(self._put_notification)
        events.send_to_targets(self._send)
        sqs.hide_queues(_is_own)

    def _put(self, function_arn: str, payload: str, **more: str) -> None:
        body = json.dumps({"function": function_arn, "payload": payload, **more})
        sqs.send(self._region, FUNCTION_EVENTS_QUEUE, body)

    def _put_event(self, function_arn: str, event: Mapping[str, Any]) -> None:
        self._put(function_arn, json.dumps(event), trace=trace_header() or "")

    def _put_notification(
        self, subscription: sns.Subscription, text: str, message_id: str, about: Mapping[str, Any]
    ) -> None:
        subscribed = Subscription(subscription.arn, subscription.topic_arn)
        attributes = about.get("message_attributes") or {}
        publication = Publication(message_id, text, about.get("subject"), attributes)
        self._put_event(subscription.endpoint, sns_event(subscribed, publication))

    def _send(self, rule: events.Rule, target: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        event = rule_event(told)
        _, _, service, region, _, name = target["Arn"].split(":", 5)
        text = input_of(target, event, rule_arn=rule.arn, rule_name=rule.name)
        match service:
            case "lambda":
                dead_letter = target.get("DeadLetterConfig", {}).get("Arn", "")
                self._put(target["Arn"], text, rule=rule.arn, dead_letter=dead_letter)
            case "sqs":
                group = target.get("SqsParameters", {}).get("MessageGroupId")
                sqs.send_message(region, name, text, group)
            case "sns":
                sns.publish(region, text, target["Arn"])
            case "states":
                self._start(target["Arn"], text, event["id"])
            case "events":
                entry = {
                    "Source": event["source"],
                    "DetailType": event["detail-type"],
                    "Detail": json.dumps(event["detail"]),
                    "EventBusName": name.removeprefix("event-bus/"),
                }
                events.put_event(region, entry)

    def _start(self, machine: str, text: str, event_id: str) -> None:
        try:
            self._start_execution(machine, name=f"{event_id}_{uuid.uuid4()}", input=text)
        except StatesError as error:
            print(f"A rule's target: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the log


def _s3_event(event_name: str, bucket: Any, key: Any, configuration_id: str) -> dict[str, Any]:
    changed = S3Object(key.name, key.size, key.etag.strip('"'), key.version_id)
    where = Bucket(bucket.name, bucket.region_name, bucket.is_versioned)
    return s3_event(event_name, where, changed, configuration_id)


def _is_own(queue: str) -> bool:
    return queue == FUNCTION_EVENTS_QUEUE or queue.startswith(STREAM_QUEUE_PREFIX)

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from lampwork.cloud.in_process import Clients
from lampwork.cloud.made_schedules import MadeSchedules
from lampwork.cloud.moto_seam import events, s3, sns, sqs
from lampwork.cloud.request_trace import trace_header
from lampwork.cloud.targets import Sender, Targets
from lampwork.events.filter_policies import lets_through, refusal
from lampwork.events.s3 import Bucket, S3Object, s3_event
from lampwork.events.sns import Publication, Subscription, sns_event
from lampwork.events.target_input import NoInput, input_of, rule_event, unknown_placeholder
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

    def __init__(self, region: str, clients: Clients) -> None:
        self._region = region
        self._clients = {region: clients, "": clients}
        self._targets = Targets(self._clients_in, self._put_for)

    def install(self) -> None:
        queue = sqs.find_queue(self._region, FUNCTION_EVENTS_QUEUE)
        queue = queue or sqs.create_queue(self._region, FUNCTION_EVENTS_QUEUE)
        sqs.set_visibility_timeout(queue, VISIBILITY_SECONDS)
        s3.notify_functions(self._put_event, _s3_event)
        sns.deliver_to_functions(self._put_notification)
        sns.judge_policies(refusal, lets_through)
        events.send_to_targets(self._send)
        events.check_targets(_problem)
        sqs.hide_queues(is_internal)
        MadeSchedules(self._targets).start()

    def _clients_in(self, region: str) -> Clients:
        if region not in self._clients:
            self._clients[region] = self._clients[""].in_region(region)
        return self._clients[region]

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
        try:
            text = input_of(target, rule_event(told), rule_arn=rule.arn, rule_name=rule.name)
        except NoInput as error:
            print(f"{rule.arn} sends nothing: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return
        self._targets.deliver(target, text, rule.arn, str(told["id"]))

    def _put_for(self, function_arn: str, text: str, sender: Sender) -> None:
        about = {"rule": sender.arn, "dead_letter": sender.dead_letters}
        self._put(function_arn, text, **about, trace=trace_header() or "")


def _s3_event(event_name: str, bucket: Any, key: Any, configuration_id: str) -> dict[str, Any]:
    changed = S3Object(key.name, key.size, key.etag.strip('"'), key.version_id)
    where = Bucket(bucket.name, bucket.region_name, bucket.is_versioned)
    return s3_event(event_name, where, changed, configuration_id)


def _problem(target: Mapping[str, Any]) -> str | None:
    """Why AWS would refuse a rule's target, in its words. Recorded: localstack/localstack,
    test_events_inputs.snapshot.json, test_put_events_with_input_transformer_missing_keys."""
    name = unknown_placeholder(target.get("InputTransformer") or {})
    if name is None:
        return None
    return f"InputTemplate for target {target['Id']} contains invalid placeholder {name}."


def is_internal(queue: str) -> bool:
    """Whether the emulator itself has made this queue."""
    return queue == FUNCTION_EVENTS_QUEUE or queue.startswith(STREAM_QUEUE_PREFIX)

"""Delivers to the targets of rules and schedules, as EventBridge does."""

import json
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from lampwork.cloud import api_destinations
from lampwork.cloud.in_process import Client, Clients
from lampwork.cloud.moto_seam.events import api_destination
from lampwork.cloud.request_trace import trace_header, with_trace
from lampwork.events.dead_letters import text_attributes, undelivered
from lampwork.events.target_input import value_at
from lampwork.events.trace_lineage import without_lineage

SDK_CALL: Final = re.compile(r"aws-sdk:([^:]+):([^:]+)")
# Codes of errors that say that the target does not exist.
NOT_FOUND: Final = re.compile("NotFound|DoesNotExist|NonExistent")

ToFunction = Callable[[str, str, "Sender"], None]
"""Sends a text to the function with this ARN, for a rule or a schedule."""


class Unsupported(Exception):
    """Nothing here takes events for this target."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The rule or the schedule that sends, and the id of the event that it sends.

    `dead_letters` is the queue for what cannot be sent.
    """

    arn: str
    dead_letters: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is delivered: `text` to the resource `name`, which `target` describes."""

    target: Mapping[str, Any]
    name: str
    text: str
    sender: Sender


class Targets:
    """Delivers texts to targets. What cannot be delivered goes to the sender's dead letters."""

    def __init__(self, clients: Callable[[str], Clients], to_function: ToFunction) -> None:
        self._clients = clients
        self._to_function = to_function

    def deliver(
        self, target: Mapping[str, Any], text: str, rule_arn: str, event_id: str = ""
    ) -> None:
        """Deliver the input of a target. `target` is as in PutTargets or CreateSchedule."""
        if f":{api_destinations.PREFIX}" in target["Arn"]:  # its server may take five seconds
            given = (target, text, rule_arn, event_id)
            threading.Thread(target=self._attempt, args=given, daemon=True).start()
        else:
            self._attempt(target, text, rule_arn, event_id)

    def _attempt(self, target: Mapping[str, Any], text: str, rule_arn: str, event_id: str) -> None:
        dead_letters = target.get("DeadLetterConfig", {}).get("Arn", "")
        sender = Sender(rule_arn, dead_letters, event_id or str(uuid.uuid4()))
        arn = target["Arn"]
        try:
            # EventBridge passes the trace on, but AWS finds no recursion through it: invocations
            # are counted anew.
            # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-related-service-xray.html
            header = trace_header()
            with with_trace(without_lineage(header) if header else None):
                self._deliver(target, arn, text, sender)
        except Unsupported as error:
            _tell(f"{rule_arn}: {error}")
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            _tell(f"{rule_arn} cannot deliver to {arn}: {error}")
            self._give_up(arn, text, sender, error)

    def _deliver(self, target: Mapping[str, Any], arn: str, text: str, sender: Sender) -> None:
        _, _, service, region, _, name = arn.split(":", 5)
        if service == "lambda":
            self._to_function(arn, text, sender)
        elif service == "scheduler" and (call := SDK_CALL.fullmatch(name)):
            client = self._clients("")(call[1].lower())
            getattr(client, xform_name(call[2]))(**json.loads(text))
        elif service == "events" and name.startswith(api_destinations.PREFIX):
            destination = api_destination(region, name.split("/")[1])
            api_destinations.call(destination, target.get("HttpParameters", {}), text)
        elif service in SEND:
            client = self._clients(region)(CLIENTS.get(service, service))
            SEND[service](client, Delivery(target, name, text, sender))
        else:
            raise Unsupported(f"nothing here takes its events for {arn}")

    def _give_up(self, arn: str, text: str, sender: Sender, error: Exception) -> None:
        if not sender.dead_letters:
            return
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        attributes = undelivered(
            sender.arn, arn, "NO_RESOURCE" if NOT_FOUND.search(code) else "SDK_CLIENT_ERROR",
            str(error),
        )  # fmt: skip
        _, _, _, region, _, name = sender.dead_letters.split(":", 5)
        sqs = self._clients(region)("sqs")
        try:
            sqs.send_message(
                QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"],
                MessageBody=text,
                MessageAttributes=text_attributes(attributes),
            )
        except (BotoCoreError, ClientError) as failure:
            _tell(f"{sender.arn} cannot deliver to {sender.dead_letters}: {failure}")


def _to_queue(sqs: Client, delivery: Delivery) -> None:
    group = delivery.target.get("SqsParameters", {}).get("MessageGroupId")
    grouped = {"MessageGroupId": group} if group else {}
    url = sqs.get_queue_url(QueueName=delivery.name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=delivery.text, **grouped)


def _to_topic(sns: Client, delivery: Delivery) -> None:
    sns.publish(TopicArn=delivery.target["Arn"], Message=delivery.text)


def _to_bus(events: Client, delivery: Delivery) -> None:
    """An event of a rule, or the detail of one that a schedule puts."""
    content = json.loads(delivery.text)
    if (chosen := delivery.target.get("EventBridgeParameters")) is not None:
        content = {
            "source": chosen["Source"],
            "detail-type": chosen["DetailType"],
            "detail": content,
        }
    entry = {
        "Source": content["source"],
        "DetailType": content["detail-type"],
        "Detail": json.dumps(content["detail"]),
        "Resources": content.get("resources", []),
        "EventBusName": delivery.name.removeprefix("event-bus/"),
    }
    events.put_events(Entries=[entry])


def _to_stream(kinesis: Client, delivery: Delivery) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_KinesisParameters.html"""
    chosen = delivery.target.get("KinesisParameters", {})
    key = chosen.get("PartitionKey")
    if path := chosen.get("PartitionKeyPath"):
        key = value_at(path, json.loads(delivery.text))
    kinesis.put_record(
        StreamName=delivery.name.removeprefix("stream/"),
        Data=delivery.text.encode(),
        PartitionKey=str(key or uuid.uuid4()),
    )


def _to_state_machine(states: Client, delivery: Delivery) -> None:
    name = f"{delivery.sender.event_id}_{uuid.uuid4()}"
    states.start_execution(stateMachineArn=delivery.target["Arn"], name=name, input=delivery.text)


def _to_log_group(logs: Client, delivery: Delivery) -> None:
    """Each event comes into a stream of its own.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
    """
    group, stream = delivery.name.removeprefix("log-group:").removesuffix(":*"), str(uuid.uuid4())
    present = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    if group not in {each["logGroupName"] for each in present}:
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    entry = {"timestamp": _now_ms(), "message": delivery.text}
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[entry])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _tell(problem: str) -> None:
    print(problem, file=sys.stderr, flush=True)  # noqa: T201 - the server's log


Send = Callable[[Client, Delivery], None]

SEND: Final[Mapping[str, Send]] = {
    "events": _to_bus,
    "kinesis": _to_stream,
    "logs": _to_log_group,
    "sns": _to_topic,
    "sqs": _to_queue,
    "states": _to_state_machine,
}
# The services' names in boto3, where they differ from those in ARNs.
CLIENTS: Final = {"states": "stepfunctions"}

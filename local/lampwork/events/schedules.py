"""The events that EventBridge and its Scheduler send for a schedule that is due."""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from lampwork.events.dead_letters import Attributes, function_not_found, text_attributes
from lampwork.events.target_input import input_of
from lampwork.stack.model import ACCOUNT_ID, Schedule
from lampwork.timestamps import iso_seconds

# https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
CONTEXT: Final = re.compile(
    "<aws\\.scheduler\\.(schedule-arn|scheduled-time|execution-id|attempt-number)>"
)


def payload_of(schedule: Schedule, due: datetime) -> bytes:
    """The event that the function receives: the schedule's own input, or else AWS's event, from
    which the schedule may select a part or which it may transform."""
    target = {"Input": schedule.input, "InputPath": schedule.input_path}
    if schedule.input_transformer is not None:
        target["InputTransformer"] = json.loads(schedule.input_transformer)
    event = _event(schedule, due)
    text = input_of(target, event, rule_arn=schedule.arn, rule_name=schedule.name)
    if schedule.source == "aws.scheduler":
        text = CONTEXT.sub(lambda match: _context(schedule, event)[match[1]], text)
    return text.encode()


def _event(schedule: Schedule, due: datetime) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": schedule.source,
        "account": ACCOUNT_ID,
        "time": iso_seconds(due),
        "region": schedule.region,
        "resources": [schedule.arn],
        # EventBridge Scheduler sends a string here, unlike a rule.
        "detail": {} if schedule.source == "aws.events" else "{}",
    }


def _context(schedule: Schedule, event: Mapping[str, Any]) -> dict[str, str]:
    return {
        "schedule-arn": schedule.arn,
        "scheduled-time": event["time"],
        "execution-id": event["id"],
        "attempt-number": "1",
    }


def missing_function_attributes(schedule: Schedule, due: datetime) -> Attributes:
    """The attributes of a schedule's dead letter whose target function does not exist.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    about = function_not_found(schedule.arn, schedule.function)
    if schedule.source == "aws.scheduler":
        del about["RULE_ARN"]
        about |= {
            "SCHEDULE_ARN": schedule.arn,
            "SCHEDULED_TIME": iso_seconds(due),
            "EXECUTION_ID": str(uuid.uuid4()),
            "IS_PAYLOAD_TRUNCATED": "false",
            "ERROR_CODE": "ResourceNotFoundException",
        }
    return text_attributes(about)

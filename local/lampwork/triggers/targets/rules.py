import json
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from lampwork.events.target_input import rule_event
from lampwork.stack.model import ACCOUNT_ID, CloudResource
from lampwork.stack.narrowing import Keeps
from lampwork.triggers.samples import EVENTBRIDGE, REGION, Option, Sample, json_object
from lampwork.triggers.targets.target_source import Target, TargetSource, list_of, with_list


def make_event(
    *, source: str, detail_type: str, detail: str, resources: Sequence[str], region: str
) -> dict[str, Any]:
    about = {"version": "0", "id": str(uuid.uuid4()), "detail-type": detail_type, "source": source}
    place = {"account": ACCOUNT_ID, "time": time.time(), "region": region}
    content = {"resources": list(resources), "detail": json_object("--detail", detail)}
    return rule_event(about | place | content)


class RuleSource(TargetSource):
    """Rules of EventBridge with an event pattern."""

    kind = "rule"
    types = ("AWS::Events::Rule",)
    samples = (
        Sample(
            (EVENTBRIDGE,),
            "event",
            "An event was put on a bus, and matched a rule's pattern.",
            make_event,
            (
                Option("source", "my.application"),
                Option("detail-type", "Something happened"),
                Option("detail", json.dumps({"key": "value"}), "A JSON object."),
                Option("resource", about="An ARN; may be repeated.", multiple="resources"),
                REGION,
            ),
        ),
    )

    def targets(self, resource: CloudResource) -> Iterator[Target]:
        for each in list_of(resource.properties, "Targets"):
            yield resource.name, str(each.get("Arn"))

    def with_targets(self, resource: CloudResource, keeps: Keeps) -> CloudResource | None:
        kept = with_list(resource, "Targets", "Arn", keeps)
        had, has = (list_of(each.properties, "Targets") for each in (resource, kept))
        return None if had and not has else kept

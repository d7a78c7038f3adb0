import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from lampwork.events.schedule_expressions import parse_expression
from lampwork.events.target_input import takes_events
from lampwork.stack.function_names import NAME, FunctionNames
from lampwork.stack.model import Function, Queue, QueueTrigger, Schedule
from lampwork.template.resource import Resource, Template, read_each
from lampwork.template.source.values import Section, as_text
from lampwork.template.streams.mappings import filters_of, is_disabled

# The properties of AWS::SQS::Queue that CreateQueue takes, without the keys of KMS: nothing is
# encrypted here.
QUEUE_ATTRIBUTES: Final = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "VisibilityTimeout",
)
NUMBERS: Final = (
    *("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod"),
    *("ReceiveMessageWaitTimeSeconds", "VisibilityTimeout"),
)
DEFAULT_BATCH_SIZE: Final = 10
DEFAULT_VISIBILITY_SECONDS: Final = 30
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
LARGEST_BATCH_WITHOUT_WINDOW: Final = 10
BATCH_SIZES: Final = range(1, 10_001)
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
CONCURRENCIES: Final = range(2, 1001)


def read_queues(template: Template) -> tuple[Queue, ...]:
    """The queues with the attributes CreateQueue takes.

    Raises:
        TemplateError: a value cannot be resolved.
    """
    return tuple(read_each(template.of_type("AWS::SQS::Queue"), _queue))


def read_queue_triggers(template: Template, functions: FunctionNames) -> tuple[QueueTrigger, ...]:
    """The event source mappings of SQS.

    Raises:
        TemplateError: AWS would refuse one.
    """
    by_arn = {queue.arn: queue for queue in read_queues(template)}
    mappings = template.of_type("AWS::Lambda::EventSourceMapping")
    return tuple(read_each(mappings, lambda each: _queue_trigger(each, functions, by_arn)))


def read_schedules(template: Template, functions: FunctionNames) -> tuple[Schedule, ...]:
    """Rules with a schedule, and schedules of EventBridge Scheduler.

    Raises:
        TemplateError: an expression is not valid.
    """
    rules = template.of_type("AWS::Events::Rule")
    schedules = template.of_type("AWS::Scheduler::Schedule")
    return (
        *read_each(rules, lambda rule: _rule(rule, functions)),
        *read_each(schedules, lambda schedule: _schedule(schedule, functions)),
    )


def _queue(resource: Resource) -> Iterator[Queue]:
    yield Queue(
        logical_id=resource.logical_id,
        name=resource.identity.name,
        attributes=dict(queue_attributes(resource)),
        region=resource.identity.place.region,
    )


def queue_attributes(queue: Resource) -> Iterator[tuple[str, str]]:
    """What CreateQueue takes of a queue's properties, in text.

    Raises:
        TemplateError: a number is none.
    """
    for name in NUMBERS:
        queue.optional_integer(name)
    for name in QUEUE_ATTRIBUTES:
        value = queue.get(name)
        # SQS accepts FifoQueue only with the value true.
        if value is not None and (name, value) != ("FifoQueue", False):
            yield name, _attribute(value)


def _attribute(value: object) -> str:
    return as_text(value) if isinstance(value, str | bool) else json.dumps(value)


def _queue_trigger(
    mapping: Resource, functions: FunctionNames, queues: Mapping[str, Queue]
) -> Iterator[QueueTrigger]:
    source = mapping.text("EventSourceArn") or ""
    function = functions.find(mapping.text("FunctionName"))
    if ":sqs:" not in source:
        return
    mapping.claim()
    if is_disabled(mapping):
        return
    if function is None:
        mapping.ignore(mapping.type, "it leads to no function that runs here")
        return
    trigger = QueueTrigger(
        queue_arn=source,
        function=function.logical_id,
        batch_size=mapping.integer("BatchSize", DEFAULT_BATCH_SIZE, BATCH_SIZES),
        window_seconds=mapping.integer("MaximumBatchingWindowInSeconds", 0),
        reports_item_failures="ReportBatchItemFailures" in mapping.texts("FunctionResponseTypes"),
        maximum_concurrency=mapping.section("ScalingConfig").optional_integer(
            "MaximumConcurrency", CONCURRENCIES
        ),
        filters=tuple(filters_of(mapping)),
    )
    _check(mapping, trigger, function, queues.get(source))
    yield trigger


def _check(
    mapping: Resource, trigger: QueueTrigger, function: Function, queue: Queue | None
) -> None:
    """Check what AWS checks when it creates a mapping."""
    fifo = trigger.queue_arn.endswith(".fifo")
    if fifo and trigger.window_seconds:
        raise mapping.error("a FIFO queue takes no MaximumBatchingWindowInSeconds; remove it.")
    if fifo and trigger.batch_size > LARGEST_BATCH_WITHOUT_WINDOW:
        raise mapping.error(f"a FIFO queue's BatchSize is at most {LARGEST_BATCH_WITHOUT_WINDOW}.")
    if trigger.batch_size > LARGEST_BATCH_WITHOUT_WINDOW and not trigger.window_seconds:
        raise mapping.error(
            f"a BatchSize above {LARGEST_BATCH_WITHOUT_WINDOW} needs"
            " MaximumBatchingWindowInSeconds greater than 0."
        )
    if queue is None:
        return
    visibility = int(queue.attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY_SECONDS))
    if visibility < function.timeout_seconds:
        raise mapping.error(
            f"the VisibilityTimeout of {queue.logical_id}, {visibility} s, is less than the"
            f" Timeout of {function.logical_id}, {function.timeout_seconds} s. AWS refuses this:"
            " raise it, best to six times the Timeout."
        )


def _rule(rule: Resource, functions: FunctionNames) -> Iterator[Schedule]:
    expression = rule.text("ScheduleExpression")
    if expression is not None and rule.text("State") != "DISABLED":
        for target in rule.sections("Targets"):
            yield from _to_function(rule, functions, target, expression, "aws.events")


def _schedule(schedule: Resource, functions: FunctionNames) -> Iterator[Schedule]:
    if schedule.text("State") != "DISABLED":
        expression = schedule.required("ScheduleExpression")
        timezone = schedule.text("ScheduleExpressionTimezone") or "UTC"
        target = schedule.section("Target")
        begins, ends = _moment(schedule, "StartDate"), _moment(schedule, "EndDate")
        for each in _to_function(
            schedule, functions, target, expression, "aws.scheduler", timezone
        ):
            yield replace(each, begins=begins, ends=ends)


def _moment(schedule: Resource, name: str) -> datetime | None:
    text = schedule.text(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise schedule.error(f"{schedule.logical_id}.{name}: {error}.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _to_function(
    resource: Resource,
    functions: FunctionNames,
    target: Section,
    expression: str,
    source: str,
    timezone: str = "UTC",
) -> Iterator[Schedule]:
    try:
        parse_expression(expression, timezone)
    except ValueError as error:
        raise resource.error(f"{resource.logical_id}: {error}") from error
    address = target.required("Arn")
    function = functions.find(address)
    dead_letter = target.section("DeadLetterConfig").text("Arn")
    is_lost = dead_letter and NAME.search(address)
    if function is None and not is_lost:
        if not takes_events(address):
            resource.ignore(resource.type, f"nothing here takes its events for {address}")
        return
    transformer = target.section("InputTransformer")
    yield Schedule(
        logical_id=resource.logical_id,
        name=resource.identity.name,
        function=function.logical_id if function else address,
        expression=expression,
        input=_input(resource, target),
        input_path=target.text("InputPath"),
        input_transformer=json.dumps(transformer.content) if transformer else None,
        dead_letter=dead_letter,
        source=source,
        timezone=timezone,
        region=resource.identity.place.region,
    )


def _input(resource: Resource, target: Section) -> str | None:
    given = target.text("Input")
    if given is None:
        return None
    try:
        json.loads(given)
    except ValueError as error:
        problem = f"the Input of {resource.logical_id} must be JSON in a string"
        raise target.error(f"{problem}: {error}.") from error
    return given

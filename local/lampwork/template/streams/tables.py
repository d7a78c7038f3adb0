from collections.abc import Iterable, Iterator
from typing import Final

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import STREAM_QUEUE_PREFIX, CloudResource, Function, StreamTrigger
from lampwork.template.resource import Resource, Template, read_each
from lampwork.template.streams.mappings import filters_of, is_disabled

# https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
DEFAULT_BATCH_SIZE: Final = 100
LONGEST_QUEUE_NAME: Final = 80
NOT_EMULATED: Final = ("ParallelizationFactor", "TumblingWindowInSeconds")


def read_stream_triggers(template: Template, functions: FunctionNames) -> tuple[StreamTrigger, ...]:
    """The event source mappings of the streams of the template's own tables.

    Raises:
        TemplateError: AWS would refuse one.
    """
    tables = {
        table.identity.attribute("StreamArn"): table
        for table in template.of_type("AWS::DynamoDB::Table")
    }

    def triggers(mapping: Resource) -> Iterator[StreamTrigger]:
        source = mapping.text("EventSourceArn") or ""
        if ":dynamodb:" in source:
            function = functions.find(mapping.text("FunctionName"))
            yield from _trigger(mapping, function, tables.get(source))

    return tuple(read_each(template.of_type("AWS::Lambda::EventSourceMapping"), triggers))


def readers(triggers: Iterable[StreamTrigger]) -> Iterator[CloudResource]:
    """The queues in which changes wait for these functions."""
    for each in triggers:
        yield CloudResource(
            type="AWS::Lambda::EventSourceMapping",
            logical_id=each.logical_id,
            name=each.queue,
            properties={"Table": each.table},
            line=each.line,
        )


def _trigger(
    mapping: Resource, function: Function | None, table: Resource | None
) -> Iterator[StreamTrigger]:
    mapping.claim()
    if is_disabled(mapping):
        return
    if function is None:
        mapping.ignore(mapping.type, "it leads to no function that runs here")
        return
    if table is None:
        mapping.ignore(mapping.type, "its table is not in this template")
        return
    if not table.section("StreamSpecification"):
        raise mapping.error(
            f"{mapping.logical_id} reads the stream of {table.logical_id}, which has none;"
            " give it a StreamSpecification."
        )
    for name in NOT_EMULATED:
        if mapping.integer(name, 0) > 1:
            mapping.ignore(name, "one batch is under way at a time")
    yield StreamTrigger(
        logical_id=mapping.logical_id,
        stream_arn=mapping.required("EventSourceArn"),
        function=function.logical_id,
        queue=_queue_name(mapping),
        batch_size=mapping.integer("BatchSize", DEFAULT_BATCH_SIZE),
        window_seconds=mapping.integer("MaximumBatchingWindowInSeconds", 0),
        retries=_limit(mapping, "MaximumRetryAttempts"),
        maximum_age_seconds=_limit(mapping, "MaximumRecordAgeInSeconds"),
        bisects=mapping.truth("BisectBatchOnFunctionError"),
        reports_item_failures="ReportBatchItemFailures" in mapping.texts("FunctionResponseTypes"),
        filters=tuple(filters_of(mapping)),
        on_failure=_on_failure(mapping),
        line=mapping.line,
    )


def _on_failure(mapping: Resource) -> str | None:
    return mapping.section("DestinationConfig").section("OnFailure").text("Destination")


def _queue_name(mapping: Resource) -> str:
    # The id of a nested resource has a slash, which the name of a queue may not have.
    return f"{STREAM_QUEUE_PREFIX}{mapping.logical_id.replace('/', '-')}"[:LONGEST_QUEUE_NAME]


def _limit(mapping: Resource, name: str) -> int | None:
    """A limit; AWS writes -1 for no limit."""
    limit = mapping.integer(name, -1)
    return None if limit < 0 else limit

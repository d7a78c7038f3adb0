from collections.abc import Iterable, Iterator
from typing import Final

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import STREAM_QUEUE_PREFIX, CloudResource, Function, StreamTrigger
from lampwork.template.resource import Resource, Template, read_each
from lampwork.template.streams.mappings import filters_of, is_disabled

TABLE: Final = "AWS::DynamoDB::Table"
KINESIS: Final = "AWS::Kinesis::Stream"
# https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
# https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
DEFAULT_BATCH_SIZE: Final = 100
BATCH_SIZES: Final = range(1, 10_001)
PARALLEL_BATCHES: Final = range(1, 11)
LONGEST_QUEUE_NAME: Final = 80
TUMBLING: Final = "TumblingWindowInSeconds"


def read_stream_triggers(template: Template, functions: FunctionNames) -> tuple[StreamTrigger, ...]:
    """The event source mappings of the template's own streams: of its tables, and of Kinesis.

    Raises:
        TemplateError: AWS would refuse one.
    """
    sources = streams_of(template)

    def triggers(mapping: Resource) -> Iterator[StreamTrigger]:
        source = mapping.text("EventSourceArn") or ""
        if ":dynamodb:" in source or ":kinesis:" in source:
            function = functions.find(mapping.text("FunctionName"))
            yield from _trigger(mapping, function, sources.get(source))

    return tuple(read_each(template.of_type("AWS::Lambda::EventSourceMapping"), triggers))


def streams_of(template: Template) -> dict[str, Resource]:
    """The tables and the Kinesis streams of a template, by the ARN of the stream."""
    tables = {str(each.identity.attribute("StreamArn")): each for each in template.of_type(TABLE)}
    return tables | {each.identity.arn: each for each in template.of_type(KINESIS)}


def readers(triggers: Iterable[StreamTrigger]) -> Iterator[CloudResource]:
    """The queues in which records wait for these functions."""
    for each in triggers:
        yield reader(each)


def reader(trigger: StreamTrigger) -> CloudResource:
    """The queue in which records wait for a function."""
    of_kinesis = ":kinesis:" in trigger.stream_arn
    from_oldest = {"From": "TRIM_HORIZON"} if trigger.from_oldest else {}
    return CloudResource(
        type="AWS::Lambda::EventSourceMapping",
        logical_id=trigger.logical_id,
        name=trigger.queue,
        properties={"Stream" if of_kinesis else "Table": trigger.stream, **from_oldest},
        line=trigger.line,
    )


def _trigger(
    mapping: Resource, function: Function | None, stream: Resource | None
) -> Iterator[StreamTrigger]:
    mapping.claim()
    if is_disabled(mapping):
        return
    if function is None:
        mapping.ignore(mapping.type, "it leads to no function that runs here")
        return
    if stream is None:
        mapping.ignore(mapping.type, "its stream is not in this template")
        return
    if stream.type == TABLE and not stream.section("StreamSpecification"):
        raise mapping.error(
            f"{mapping.logical_id} reads the stream of {stream.logical_id}, which has none;"
            " give it a StreamSpecification."
        )
    if mapping.integer(TUMBLING, 0) > 0:
        mapping.ignore(TUMBLING, "no state is passed from batch to batch")
    yield StreamTrigger(
        logical_id=mapping.logical_id,
        stream_arn=mapping.required("EventSourceArn"),
        function=function.logical_id,
        queue=queue_name(mapping.logical_id),
        batch_size=mapping.integer("BatchSize", DEFAULT_BATCH_SIZE, BATCH_SIZES),
        window_seconds=mapping.integer("MaximumBatchingWindowInSeconds", 0),
        retries=_limit(mapping, "MaximumRetryAttempts"),
        maximum_age_seconds=_limit(mapping, "MaximumRecordAgeInSeconds"),
        bisects=mapping.truth("BisectBatchOnFunctionError"),
        reports_item_failures="ReportBatchItemFailures" in mapping.texts("FunctionResponseTypes"),
        filters=tuple(filters_of(mapping)),
        on_failure=_on_failure(mapping),
        parallel_batches=mapping.integer("ParallelizationFactor", 1, PARALLEL_BATCHES),
        from_oldest=mapping.text("StartingPosition") == "TRIM_HORIZON",
        line=mapping.line,
    )


def _on_failure(mapping: Resource) -> str | None:
    return mapping.section("DestinationConfig").section("OnFailure").text("Destination")


def queue_name(reader: str) -> str:
    """The name of the queue in which records wait for a mapping or a pipe."""
    # The id of a nested resource has a slash, which the name of a queue may not have.
    return f"{STREAM_QUEUE_PREFIX}{reader.replace('/', '-')}"[:LONGEST_QUEUE_NAME]


def _limit(mapping: Resource, name: str) -> int | None:
    """A limit; AWS writes -1 for no limit."""
    limit = mapping.integer(name, -1)
    return None if limit < 0 else limit

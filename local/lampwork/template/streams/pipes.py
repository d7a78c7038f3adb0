import json
from collections.abc import Iterator
from typing import Final

from lampwork.events.target_input import service_of
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Pipe, QueueTrigger, StreamTrigger
from lampwork.template.resource import Resource, Template, read_each
from lampwork.template.source.values import Section
from lampwork.template.streams.mappings import filters_of
from lampwork.template.streams.streams import queue_name, streams_of

PIPE: Final = "AWS::Pipes::Pipe"
ENRICHMENTS: Final = frozenset({"lambda", "states"})
TARGETS: Final = frozenset({"events", "kinesis", "lambda", "logs", "sns", "sqs", "states"})
API_DESTINATION: Final = ":api-destination/"
# The sections of SourceParameters, by the source's service.
PARAMETERS: Final = {
    "sqs": "SqsQueueParameters",
    "dynamodb": "DynamoDBStreamParameters",
    "kinesis": "KinesisStreamParameters",
}


def read_pipes(template: Template, functions: FunctionNames) -> tuple[Pipe, ...]:
    """The pipes that have a source, an enrichment and a target that are here.

    Raises:
        TemplateError: AWS would refuse one.
    """
    streams = streams_of(template)

    def pipes(resource: Resource) -> Iterator[Pipe]:
        resource.claim()
        source, target = resource.required("Source"), resource.required("Target")
        if resource.text("DesiredState") == "STOPPED":
            return
        if reason := _not_here(resource, functions, source, target, streams):
            resource.ignore(resource.type, reason)
            return
        yield _pipe(resource, source, target, functions)

    return tuple(read_each(template.of_type(PIPE), pipes))


def _not_here(
    pipe: Resource,
    functions: FunctionNames,
    source: str,
    target: str,
    streams: dict[str, Resource],
) -> str | None:
    kind, enrichment = service_of(source), pipe.text("Enrichment")
    if kind not in PARAMETERS or (kind != "sqs" and source not in streams):
        return f"its source is {source}"
    if API_DESTINATION in target:
        return f"nothing here takes its events for {target}"
    for arn, known in ((enrichment, ENRICHMENTS), (target, TARGETS)):
        if arn is not None and service_of(arn) not in known:
            return f"nothing here takes its events for {arn}"
        if arn is not None and service_of(arn) == "lambda" and functions.find(arn) is None:
            return f"there is no function {arn} here"
    return None


def _pipe(pipe: Resource, source: str, target: str, functions: FunctionNames) -> Pipe:
    from_source = pipe.section("SourceParameters")
    parameters = pipe.section("TargetParameters")
    named = (target, pipe.text("Enrichment"))
    run = next((found for arn in named if (found := functions.find(arn))), None)
    return Pipe(
        logical_id=pipe.logical_id,
        name=pipe.identity.name,
        arn=pipe.identity.arn,
        reads=_reader(pipe, source, from_source),
        target=target,
        enrichment=pipe.text("Enrichment"),
        enrichment_template=pipe.section("EnrichmentParameters").text("InputTemplate"),
        target_template=parameters.text("InputTemplate"),
        target_parameters=json.dumps(parameters.content),
        function=run.logical_id if run else "",
    )


def _reader(pipe: Resource, source: str, given: Section) -> QueueTrigger | StreamTrigger:
    kind = service_of(source)
    parameters = given.section(PARAMETERS[kind])
    window = parameters.integer("MaximumBatchingWindowInSeconds", 0)
    filters = tuple(filters_of(given))
    if kind == "sqs":
        return QueueTrigger(
            queue_arn=source,
            function=pipe.logical_id,
            batch_size=parameters.integer("BatchSize", 10),
            window_seconds=window,
            reports_item_failures=True,
            filters=filters,
        )
    return StreamTrigger(
        logical_id=pipe.logical_id,
        stream_arn=source,
        function=pipe.logical_id,
        queue=queue_name(pipe.logical_id),
        batch_size=parameters.integer("BatchSize", 100),
        window_seconds=window,
        retries=_limit(parameters, "MaximumRetryAttempts"),
        maximum_age_seconds=_limit(parameters, "MaximumRecordAgeInSeconds"),
        bisects=parameters.text("OnPartialBatchItemFailure") == "AUTOMATIC_BISECT",
        reports_item_failures=True,
        filters=filters,
        on_failure=parameters.section("DeadLetterConfig").text("Arn"),
        parallel_batches=parameters.integer("ParallelizationFactor", 1),
        from_oldest=parameters.text("StartingPosition") == "TRIM_HORIZON",
        line=pipe.line,
    )


def _limit(parameters: Section, name: str) -> int | None:
    limit = parameters.integer(name, -1)
    return None if limit < 0 else limit

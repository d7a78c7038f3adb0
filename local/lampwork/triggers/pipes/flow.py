"""What a pipe does with a batch: it enriches the events and delivers them to its target."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from lampwork.companions.aws import CREDENTIALS
from lampwork.errors import LampworkError
from lampwork.events.pipes import events_of, resolved, text_of, transformed
from lampwork.events.target_input import service_of
from lampwork.invocation.answer_stream import AnswerStream
from lampwork.invocation.port import Invocation, Invoker
from lampwork.stack.model import Pipe
from lampwork.timestamps import iso_milliseconds
from lampwork.triggers.asynchronous.invocations import EventInvocations

FIRE_AND_FORGET = "FIRE_AND_FORGET"


class PipeFailure(Exception):
    """The enrichment or the target has failed; the batch is tried again."""


class PipeFlow(Invoker):
    """Stands in the place of a function: the pollers of mappings invoke it with their batches.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html
    """

    def __init__(
        self, pipe: Pipe, invoker: Invoker, events: EventInvocations, endpoint: str, region: str
    ) -> None:
        self._pipe = pipe
        self._invoker = invoker
        self._events = events
        self._endpoint = endpoint
        self._region = region
        self._parameters: dict[str, Any] = json.loads(pipe.target_parameters)
        self._clients: dict[str, Any] = {}

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
        trace_header: str | None = None,
        stream: AnswerStream | None = None,
        on_begin: Callable[[], None] | None = None,
    ) -> Invocation:
        """Lead a batch through the pipe. What went wrong is a function's error."""
        began = time.monotonic()
        try:
            answer, failure = await self._lead(payload), None
        except Exception as error:  # boto3 may raise anything that a service refuses
            answer = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
            failure = "Unhandled"
        return Invocation(
            request_id=request_id or str(uuid.uuid4()),
            payload=answer.encode(),
            function_error=failure,
            log=b"",
            duration_ms=(time.monotonic() - began) * 1000,
        )

    async def _lead(self, payload: bytes) -> str:
        events: Sequence[Any] = events_of(payload)
        if self._pipe.enrichment:
            given = self._transformed(self._pipe.enrichment_template, events)
            events = await self._enriched(self._pipe.enrichment, given)
        if not events:
            return ""
        return await self._deliver(self._transformed(self._pipe.target_template, events))

    def _transformed(self, template: str | None, events: Sequence[Any]) -> list[Any]:
        pipe = self._pipe
        variables = {
            "pipe-arn": pipe.arn,
            "pipe-name": pipe.name,
            "source-arn": pipe.source,
            "enrichment-arn": pipe.enrichment or "",
            "target-arn": pipe.target,
            "event.ingestion-time": iso_milliseconds(),
        }
        return [transformed(template, each, variables) for each in events]

    async def _enriched(self, arn: str, events: list[Any]) -> Sequence[Any]:
        if service_of(arn) == "lambda":
            answer = await self._call_function(arn, events)
        else:
            answer = await self._run_state_machine(arn, events)
        content = json.loads(answer or "null")
        if content in (None, "", {}, []):
            return []
        return content if isinstance(content, list) else [content]

    async def _deliver(self, events: list[Any]) -> str:
        arn = self._pipe.target
        service = service_of(arn)
        if service == "lambda":
            if self._invocation_type("LambdaFunctionParameters") == FIRE_AND_FORGET:
                self._events.submit(arn, json.dumps(events).encode())
                return ""
            return await self._call_function(arn, events)
        if service == "states":
            if self._invocation_type("StepFunctionStateMachineParameters") == FIRE_AND_FORGET:
                await self._start_state_machine(arn, events)
                return ""
            return await self._run_state_machine(arn, events)
        send: Callable[[list[Any]], None] = getattr(self, f"_to_{service}")
        await asyncio.to_thread(send, events)
        return ""

    def _invocation_type(self, section: str) -> str | None:
        chosen: str | None = self._parameters.get(section, {}).get("InvocationType")
        return chosen

    async def _call_function(self, arn: str, events: list[Any]) -> str:
        try:
            invocation = await self._invoker.invoke(arn, json.dumps(events).encode())
        except LampworkError as error:
            raise PipeFailure(str(error)) from error
        if invocation.failure is not None:
            raise PipeFailure(invocation.failure)
        return invocation.payload.decode()

    async def _start_state_machine(self, arn: str, events: list[Any]) -> None:
        states = self._client("stepfunctions")
        await asyncio.to_thread(
            lambda: states.start_execution(stateMachineArn=arn, input=json.dumps(events))
        )

    async def _run_state_machine(self, arn: str, events: list[Any]) -> str:
        """Run an Express workflow to its end. A Standard one can only be started."""
        states = self._client("stepfunctions")
        try:
            answer = await asyncio.to_thread(
                lambda: states.start_sync_execution(stateMachineArn=arn, input=json.dumps(events))
            )
        except states.exceptions.StateMachineTypeNotSupported:
            await self._start_state_machine(arn, events)
            return ""
        if answer["status"] != "SUCCEEDED":
            raise PipeFailure(f"{arn} {answer['status']}: {answer.get('cause', '')}")
        return str(answer.get("output", ""))

    def _to_sqs(self, events: list[Any]) -> None:
        sqs, chosen = self._client("sqs"), self._parameters.get("SqsQueueParameters", {})
        url = sqs.get_queue_url(QueueName=self._pipe.target.rpartition(":")[2])["QueueUrl"]
        for event in events:
            names = ("MessageGroupId", "MessageDeduplicationId")
            more = {name: resolved(chosen.get(name), event) for name in names}
            given = {name: value for name, value in more.items() if value is not None}
            sqs.send_message(QueueUrl=url, MessageBody=text_of(event), **given)

    def _to_sns(self, events: list[Any]) -> None:
        sns = self._client("sns")
        for event in events:
            sns.publish(TopicArn=self._pipe.target, Message=text_of(event))

    def _to_events(self, events: list[Any]) -> None:
        chosen = self._parameters.get("EventBridgeEventBusParameters", {})
        bus = self._pipe.target.rpartition("/")[2]
        for event in events:
            kind = event.get("eventSource", "aws:pipes") if isinstance(event, dict) else "aws:pipes"
            entry = {
                "Source": resolved(chosen.get("Source"), event) or f"Pipe {self._pipe.name}",
                "DetailType": resolved(chosen.get("DetailType"), event) or f"Event from {kind}",
                "Detail": json.dumps(event),
                "Resources": chosen.get("Resources", []),
                "EventBusName": bus,
            }
            self._client("events").put_events(Entries=[entry])

    def _to_kinesis(self, events: list[Any]) -> None:
        key = self._parameters.get("KinesisStreamParameters", {}).get("PartitionKey")
        records = [
            {
                "Data": text_of(event).encode(),
                "PartitionKey": resolved(key, event) or str(uuid.uuid4()),
            }
            for event in events
        ]
        name = self._pipe.target.rpartition("/")[2]
        self._client("kinesis").put_records(StreamName=name, Records=records)

    def _to_logs(self, events: list[Any]) -> None:
        logs, chosen = self._client("logs"), self._parameters.get("CloudWatchLogsParameters", {})
        group = self._pipe.target.partition(":log-group:")[2].removesuffix(":*")
        stream = chosen.get("LogStreamName") or self._pipe.name
        for make, given in (
            (logs.create_log_group, {"logGroupName": group}),
            (logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
        ):
            try:
                make(**given)
            except logs.exceptions.ResourceAlreadyExistsException:
                continue
        now = int(time.time() * 1000)
        entries = [{"timestamp": now, "message": text_of(event)} for event in events]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=entries)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            # Imported here because it takes long to load, and most stacks have no pipe.
            from boto3.session import Session
            from botocore.config import Config

            session = Session(
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
                region_name=self._region,
            )
            make: Any = session.client  # as Any, because it knows the services by literals
            # boto3 would ask for StartSyncExecution at a host whose name begins with "sync-".
            config = Config(inject_host_prefix=False)
            self._clients[service] = make(service, endpoint_url=self._endpoint, config=config)
        return self._clients[service]

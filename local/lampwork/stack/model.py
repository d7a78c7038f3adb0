"""The emulator's model of a template; `template.reader` builds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lampwork.interpreters.python import Python
from lampwork.logs.levels import DEFAULT_LEVEL
from lampwork.stack.authorization import Authorizer, Cors
from lampwork.stack.load_balancers import Listener
from lampwork.stack.parameter_mapping import ParameterMapping
from lampwork.stack.policies import Permissions
from lampwork.stack.rest_methods import Integration, RequestChecks, UsagePlan
from lampwork.stack.service_integrations import ServiceIntegration

ACCOUNT_ID = "000000000000"
LATEST = "$LATEST"
# The queue of the embedded AWS in which events for functions wait.
FUNCTION_EVENTS_QUEUE = "lampwork-function-events"
# The names of the queues in which the records of tables' streams wait begin so.
STREAM_QUEUE_PREFIX = "lampwork-stream-"


@dataclass(frozen=True, slots=True)
class EventConfig:
    """The settings of a function's asynchronous invocations. `on_success`, `on_failure` and
    `dead_letter` are ARNs."""

    retries: int = 2
    maximum_age_seconds: float = 6 * 60 * 60
    on_success: str | None = None
    on_failure: str | None = None
    dead_letter: str | None = None


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How a function's log is written: as text, or as JSON with the entries of these levels and
    above."""

    json: bool = False
    application_level: str = DEFAULT_LEVEL
    system_level: str = DEFAULT_LEVEL
    group: str | None = None


@dataclass(frozen=True, slots=True)
class DurableConfig:
    """What makes a function durable: how long one of its executions may take."""

    execution_timeout_seconds: int


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function.

    `logical_id` is unique in the stack: that of a function in a nested stack begins with the nested
    stack's, as in Parent/Function. `name` is what its code and users see.

    `layers` are folders, in the template's order. Those that are also in `source_layers` hold
    modules that `sam build` would put into a folder `python`; the packages they ask for are in the
    folders `layer_requirements`. The folder `requirements` holds the function's own packages.
    A function that `is_image` is one by its template; its code is files all the same. With the
    `web_adapter`, the handler is a program that serves HTTP. With the `secrets_extension` it asks
    at localhost for parameters and secrets. AWS_LAMBDA_EXEC_WRAPPER is
    obeyed only if it `runs_wrapper`.

    `outer_links` are the links in `code_dir` that lead out of it, and where they lead; `linked` is
    what these and the links in layers lead to.

    A function that `isolates_tenants` has environments for each tenant; those of one know it by
    `tenant`.

    It runs on `python`; None leaves that to what runs it.

    `qualifiers` are its aliases and its published versions, each with the version it leads to. The
    function runs as `version`, and callers name it with `qualifier`, if it has one.
    """

    logical_id: str
    name: str
    handler: str
    code_dir: Path
    runtime: str = "python3.11"
    python: Python | None = None
    timeout_seconds: float = 3
    memory_mb: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    reserved_concurrency: int | None = None
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    qualifier: str | None = None
    version: str = LATEST
    layers: tuple[Path, ...] = ()
    source_layers: frozenset[Path] = frozenset()
    layer_requirements: tuple[Path, ...] = ()
    requirements: Path | None = None
    build_method: str = ""  # of its Metadata
    outer_links: Mapping[str, str] = field(default_factory=dict)
    linked: tuple[str, ...] = ()
    is_image: bool = False
    web_adapter: bool = False
    secrets_extension: bool = False
    runs_wrapper: bool = True
    on_event: EventConfig = EventConfig()
    may_recur: bool = False  # whether it may invoke itself without end
    log_config: LogConfig = LogConfig()
    durable: DurableConfig | None = None
    isolates_tenants: bool = False
    tenant: str | None = None
    region: str = "us-east-1"
    template: Path = Path()  # the file that defines it, in these lines
    line: int = 0
    handler_line: int = 0

    @property
    def local_id(self) -> str:
        """Its logical id in its own template, without the nested stacks that contain it."""
        return self.logical_id.rpartition("/")[2]

    @property
    def is_node(self) -> bool:
        return self.runtime.startswith("nodejs")

    @property
    def needs_node_client(self) -> bool:
        """Whether `node` runs its handler; with the web adapter, that is a program."""
        return self.is_node and not self.web_adapter

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{ACCOUNT_ID}:function:{self.name}"

    @property
    def invoked_arn(self) -> str:
        """The ARN in a request's context: with the alias or the version that the caller named."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn

    def qualified(self, qualifier: str | None) -> "Function":
        """The function as callers run it who name it with this qualifier, or with none.

        Raises:
            KeyError: it has no such alias or version.
        """
        version = LATEST if qualifier in (None, LATEST) else self.qualifiers[qualifier or ""]
        return replace(self, qualifier=qualifier, version=version)

    @property
    def log_group(self) -> str:
        return self.log_config.group or f"/aws/lambda/{self.name}"

    @property
    def packages(self) -> tuple[Path, ...]:
        """The folders that Python searches after the function's own code and before the installed
        packages.

        The order follows `sam build`, which puts requirements beside the code, and Lambda, which
        merges layers in /opt.
        https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
        """
        upper_first = self.layers[::-1]
        return (
            *([self.requirements] if self.requirements else []),
            *(layer / "python" / "lib" / self.runtime / "site-packages" for layer in upper_first),
            *(layer if layer in self.source_layers else layer / "python" for layer in upper_first),
            *self.layer_requirements,
        )


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """`method` is a verb or ANY. `path` is written as in the template: /tasks/{id}, /{proxy+},
    $default. One that `streams` sends the answer while the function makes it.

    If there are `scopes`, a token must have one of them. A REST API's route with an `integration`
    has a function only if that leads to one. An HTTP API's route to a `service` has none.
    """

    method: str
    path: str
    function: str
    timeout_seconds: float = 30
    payload_format: str = "2.0"
    authorizer: Authorizer | None = None
    scopes: tuple[str, ...] = ()
    integration: Integration | None = None
    service: ServiceIntegration | None = None
    checks: RequestChecks | None = None
    needs_api_key: bool = False
    streams: bool = False
    mapping: ParameterMapping | None = None

    @property
    def key(self) -> str:
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class HttpApi:
    """One stage of an HTTP API. An API with several stages has an `HttpApi` for each."""

    logical_id: str
    api_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    cors: Cors | None = None
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """How a REST API words one of its own errors; `headers` and `template` are the template's.

    `template` may hold `$context.…` variables. Without it, the default body is sent.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    template: str | None = None


@dataclass(frozen=True, slots=True)
class RestApi:
    """One stage of a REST API. Its routes have payload format 1.0; their `path` is the path of the
    resource, without a slash at its end. A streamed answer may pause for `idle_seconds`."""

    logical_id: str
    api_id: str
    stage: str
    routes: tuple[HttpRoute, ...]
    binary_media_types: tuple[str, ...] = ()
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"
    deployment_id: str = ""
    usage_plans: tuple[UsagePlan, ...] = ()
    api_key_source: str = "HEADER"  # or AUTHORIZER
    idle_seconds: float = 300


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """A function's own address. It has an `authorizer` if callers must sign their requests. One
    that `streams` sends what a function streams as it comes, and any other answer as it is."""

    logical_id: str
    url_id: str
    function: str
    timeout_seconds: float
    authorizer: Authorizer | None = None
    cors: Cors | None = None
    streams: bool = False
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class WebSocketRoute:
    """With `two_way`, the body that the function returns is sent to the client."""

    key: str
    function: str
    timeout_seconds: float = 29
    two_way: bool = False


@dataclass(frozen=True, slots=True)
class PathRewrite:
    """A path that a CDN in front of the API rewrites to the stage's URL. It moves the path's
    `{parameters}` into the query string."""

    path: str


@dataclass(frozen=True, slots=True)
class WebSocketApi:
    logical_id: str
    api_id: str
    stage: str
    route_selection_expression: str
    routes: Mapping[str, WebSocketRoute]
    rewrites: tuple[PathRewrite, ...] = ()
    authorizer: Authorizer | None = None  # asked before $connect
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"


def parted_attributes(
    attributes: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """A queue's attributes: those that it gets only when it is created, and those that can be set
    at any time. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
    """
    at_creation = {name: value for name, value in attributes.items() if name == "FifoQueue"}
    settable = {name: value for name, value in attributes.items() if name != "FifoQueue"}
    return at_creation, settable


@dataclass(frozen=True, slots=True)
class Queue:
    """An SQS queue. `attributes` are those of CreateQueue: all are strings, and the ARNs in the
    redrive policy are resolved."""

    logical_id: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{self.region}:{ACCOUNT_ID}:{self.name}"


class Trigger(Protocol):
    """Whatever invokes a function besides a request. Each kind is a dataclass of its own."""

    @property
    def function(self) -> str:
        """The function's logical id."""
        ...


Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """An SQS event source mapping."""

    queue_arn: str
    function: str
    batch_size: int = 10
    window_seconds: float = 0
    reports_item_failures: bool = False
    maximum_concurrency: int | None = None
    filters: tuple[str, ...] = ()  # event patterns in JSON; a message that matches none is deleted


@dataclass(frozen=True, slots=True)
class StreamTrigger:
    """An event source mapping of the stream of a DynamoDB table, or of a Kinesis stream. Its
    records wait in the queue `queue` of the embedded AWS. `retries` and `maximum_age_seconds` of
    None mean no limit. So many `parallel_batches` of a shard may run at a time."""

    logical_id: str
    stream_arn: str
    function: str
    queue: str
    batch_size: int = 100
    window_seconds: float = 0
    retries: int | None = None
    maximum_age_seconds: float | None = None
    bisects: bool = False
    reports_item_failures: bool = False
    filters: tuple[str, ...] = ()
    on_failure: str | None = None
    parallel_batches: int = 1
    from_oldest: bool = False  # whether it starts with the records that a Kinesis stream holds
    line: int = 0

    @property
    def stream(self) -> str:
        """The name of the table or of the Kinesis stream."""
        return self.stream_arn.split("/")[1]


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe of EventBridge. `reads` is its source, read like that of a mapping. `enrichment` and
    `target` are ARNs; `target_parameters` are CloudFormation's, in JSON. `function` is one of
    its functions, "" if it leads to none."""

    logical_id: str
    name: str
    arn: str
    reads: QueueTrigger | StreamTrigger
    target: str
    enrichment: str | None = None
    enrichment_template: str | None = None
    target_template: str | None = None
    target_parameters: str = "{}"
    function: str = ""

    @property
    def source(self) -> str:
        return (
            self.reads.queue_arn if isinstance(self.reads, QueueTrigger) else self.reads.stream_arn
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rule or an EventBridge Scheduler schedule.

    `input` replaces the default event; `input_path` selects a part of it; `input_transformer`,
    CloudFormation's in JSON, transforms it. `timezone` is the IANA name of the time zone of a
    cron() or at() expression. The schedule fires from `begins` until `ends`. `function` is an ARN
    if the template has no such function: all its events are dead letters then.
    """

    logical_id: str
    name: str
    function: str
    expression: str
    input: str | None = None
    input_path: str | None = None
    input_transformer: str | None = None
    dead_letter: str | None = None
    source: str = "aws.events"  # or aws.scheduler
    timezone: str = "UTC"
    begins: datetime | None = None
    ends: datetime | None = None
    region: str = "us-east-1"

    @property
    def arn(self) -> str:
        by_rule = self.source == "aws.events"
        service, path = ("events", "rule") if by_rule else ("scheduler", "schedule/default")
        return f"arn:aws:{service}:{self.region}:{ACCOUNT_ID}:{path}/{self.name}"


@dataclass(frozen=True, slots=True)
class CloudResource:
    """A resource of an AWS service that the template defines. `properties` are CloudFormation's in
    JSON; those of a queue are the `Attributes` that CreateQueue takes. A user pool, its client and
    an identity pool have the `Id` and the `Secret` that they are to get besides."""

    type: str
    logical_id: str
    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class CustomResource:
    """A resource that a function of the template creates. `after` are the logical ids of resources
    that must be there before; `properties` may refer to others."""

    logical_id: str
    type: str
    function: str
    stack_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    after: frozenset[str] = frozenset()
    template: Path = Path()
    line: int = 0

    @property
    def local_id(self) -> str:
        return self.logical_id.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a stack. `export` is the name by which other stacks import it, or ""."""

    name: str
    value: str
    description: str = ""
    export: str = ""


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource as CloudFormation lists it."""

    logical_id: str
    physical_id: str
    type: str


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """What CloudFormation says of a stack, which may be nested in another. Programs may call it
    `also`, too."""

    name: str
    id: str
    also: str = ""
    description: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    resources: tuple[StackResource, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """A resource, or a part of one, that the emulator does not run: where it is defined, and why
    it is ignored. If it is `harmless`, all runs without it as far as files can tell."""

    logical_id: str
    type: str
    line: int
    reason: str = ""
    template: Path = Path()
    harmless: bool = False


@dataclass(frozen=True, slots=True)
class Stack:
    """All that a template defines. `warnings` are about what AWS takes all the same. `files` are
    the further files it was read from, such as definitions of its APIs. `domains` are the custom
    domain names of its APIs. `permissions` are those of functions whose role it defines, and `arns`
    has the logical ids of its resources by their ARNs."""

    functions: Mapping[str, Function]
    http_apis: tuple[HttpApi, ...] = ()
    websocket_apis: tuple[WebSocketApi, ...] = ()
    rest_apis: tuple[RestApi, ...] = ()
    function_urls: tuple[FunctionUrl, ...] = ()
    load_balancers: tuple[Listener, ...] = ()
    queues: tuple[Queue, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    resources: tuple[CloudResource, ...] = ()
    custom_resources: tuple[CustomResource, ...] = ()
    deployed: tuple[DeployedStack, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    domains: tuple[str, ...] = ()
    permissions: Mapping[str, Permissions] = field(default_factory=dict)
    arns: Mapping[str, str] = field(default_factory=dict)

    def triggers_of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """The triggers of one kind, in the template's order."""
        return tuple(each for each in self.triggers if isinstance(each, kind))

    @property
    def routed_apis(self) -> tuple[HttpApi | RestApi, ...]:
        """The APIs whose routes plain HTTP requests find by their path."""
        return (*self.http_apis, *self.rest_apis)

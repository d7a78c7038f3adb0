"""A template's resources and what leads from one to another."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import (
    CloudResource,
    Function,
    Pipe,
    QueueTrigger,
    Schedule,
    Stack,
    StreamTrigger,
)

FEWEST_EVERYWHERE: Final = 5  # functions that name a resource
SHORTEST_NAME: Final = 4  # of a resource that is looked for in variables
KINDS: Final = {
    "AWS::Events::EventBus": "Event bus",
    "AWS::Events::Rule": "Rule",
    "AWS::Scheduler::Schedule": "Schedule",
    "AWS::SSM::Parameter": "Parameter",
    "AWS::SecretsManager::Secret": "Secret",
    "AWS::StepFunctions::StateMachine": "State machine",
}
# What only connects others is an edge, no node.
CONNECTIONS: Final = frozenset(
    (
        "AWS::SNS::Subscription",
        "AWS::Lambda::EventSourceMapping",
        "AWS::ApiGateway::UsagePlanKey",
        "AWS::Cognito::UserPoolUserToGroupAttachment",
    )
)


@dataclass(frozen=True, slots=True)
class Node:
    """`kind` is what people call such a resource."""

    key: str
    kind: str
    name: str
    is_function: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`uses` tells that a function's variables name the resource; otherwise events flow along."""

    source: str
    target: str
    how: str
    uses: bool = False


@dataclass(slots=True)
class Graph:
    """`everywhere` are the resources that most functions' variables name, so that an edge to each
    would say nothing."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)
    everywhere: list[str] = field(default_factory=list)

    def join(self, source: str | None, target: str | None, how: str, *, uses: bool = False) -> None:
        if source in self.nodes and target in self.nodes and source != target:
            self.edges[Edge(source or "", target or "", how, uses)] = None


def graph_of(stack: Stack) -> Graph:
    """The resources of a template as nodes, and what leads from one to another as edges."""
    graph = Graph()
    for node in _nodes(stack):
        graph.nodes[node.key] = node
    find = _Finder(stack)
    for source, target, how in (*_routes(stack), *_triggers(stack, find), *_flows(stack, find)):
        graph.join(source, target, how)
    users: defaultdict[str, list[str]] = defaultdict(list)
    for function in stack.functions.values():
        for key in find.named_in(function):
            users[key].append(function.logical_id)
    for key, functions in users.items():
        if len(functions) >= FEWEST_EVERYWHERE and len(functions) * 2 > len(stack.functions):
            graph.everywhere.append(key)
            continue
        for each in functions:
            graph.join(each, key, "names it in a variable", uses=True)
    return graph


def kind_of(resource_type: str) -> str:
    """AWS::SQS::Queue as people read it: SQS queue."""
    if resource_type in KINDS:
        return KINDS[resource_type]
    _, service, what = (*resource_type.split("::"), "", "")[:3]
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in what).strip()
    return f"{service} {words}".strip()


def _nodes(stack: Stack) -> Iterator[Node]:
    for api in stack.routed_apis:
        yield Node(api.logical_id, "API", api.logical_id)
    for socket in stack.websocket_apis:
        yield Node(socket.logical_id, "WebSocket API", socket.logical_id)
    for url in stack.function_urls:
        yield Node(url.logical_id, "Function URL", url.logical_id)
    for balancer in stack.load_balancers:
        yield Node(balancer.logical_id, "Load balancer", balancer.logical_id)
    for schedule in stack.triggers_of(Schedule):
        yield Node(schedule.logical_id, "Schedule", schedule.logical_id)
    for pipe in stack.triggers_of(Pipe):
        yield Node(pipe.logical_id, "Pipe", pipe.logical_id)
    for resource in stack.resources:
        if resource.type not in CONNECTIONS:
            yield Node(resource.logical_id, kind_of(resource.type), resource.logical_id)
    for function in stack.functions.values():
        yield Node(function.logical_id, "Function", function.logical_id, is_function=True)


class _Finder:
    """Finds the nodes that ARNs and variables name."""

    def __init__(self, stack: Stack) -> None:
        self._functions = FunctionNames(stack.functions)
        self._resources = [each for each in stack.resources if each.type not in CONNECTIONS]

    def __call__(self, arn: object) -> str | None:
        text = str(arn)
        if ":function:" in text:
            found = self._functions.find(text)
            return found.logical_id if found else None
        service = text.split(":")[2:3]
        for each in self._resources:
            if _service(each) in service and each.name in _names_in(text):
                return each.logical_id
        return None

    def bus(self, name: object) -> str | None:
        """The bus that a rule names, also by its ARN."""
        for each in self._resources:
            if each.type == "AWS::Events::EventBus" and each.name in _names_in(str(name)):
                return each.logical_id
        return None

    def named_in(self, function: Function) -> Iterator[str]:
        """The resources whose name, address or ARN a function's variables hold."""
        values = [value for value in function.environment.values() if value]
        for each in self._resources:
            if len(each.name) >= SHORTEST_NAME and any(
                each.name == value or each.name in _names_in(value) for value in values
            ):
                yield each.logical_id


def _service(resource: CloudResource) -> str:
    return resource.type.split("::")[1].lower()


def _names_in(text: str) -> list[str]:
    """The parts of an ARN or of an address that may be a name."""
    return text.replace("/", ":").split(":")


def _routes(stack: Stack) -> Iterator[tuple[str, str, str]]:
    for api in stack.routed_apis:
        for route in api.routes:
            yield api.logical_id, route.function, route.key
            if asked := getattr(route.authorizer, "function", None):
                yield api.logical_id, asked, "asks it who may call"
    for socket in stack.websocket_apis:
        for each in socket.routes.values():
            yield socket.logical_id, each.function, each.key
        if asked := getattr(socket.authorizer, "function", None):
            yield socket.logical_id, asked, "asks it who may call"
    for url in stack.function_urls:
        yield url.logical_id, url.function, "requests"
    for balancer in stack.load_balancers:
        for function in sorted(balancer.functions):
            yield balancer.logical_id, function, "requests"


def _triggers(stack: Stack, find: _Finder) -> Iterator[tuple[str | None, str | None, str]]:
    for each in stack.triggers:
        match each:
            case QueueTrigger():
                yield find(each.queue_arn), each.function, "messages"
            case StreamTrigger():
                yield find(each.stream_arn), each.function, "records"
            case Schedule():
                yield each.logical_id, _function(stack, each.function), "at its times"
            case Pipe():
                yield find(each.source), each.logical_id, "records"
                yield each.logical_id, find(each.target), "records"


def _function(stack: Stack, name: str) -> str | None:
    found = FunctionNames(stack.functions).called(name)
    return found.logical_id if found else None


def _flows(stack: Stack, find: _Finder) -> Iterator[tuple[str | None, str | None, str]]:
    """What the properties of resources and the settings of functions lead to."""
    for function in stack.functions.values():
        config = function.on_event
        yield function.logical_id, find(config.on_success), "success"
        yield function.logical_id, find(config.on_failure), "failure"
        yield function.logical_id, find(config.dead_letter), "dead letters"
    for each in stack.resources:
        yield from _of_resource(each, find)


def _of_resource(
    resource: CloudResource, find: _Finder
) -> Iterator[tuple[str | None, str | None, str]]:
    own, properties = resource.logical_id, resource.properties
    match resource.type:
        case "AWS::SQS::Queue":
            policy = _parsed(properties.get("Attributes", {}).get("RedrivePolicy"))
            yield own, find(policy.get("deadLetterTargetArn")), "dead letters"
        case "AWS::SNS::Subscription":
            yield find(properties.get("TopicArn")), find(properties.get("Endpoint")), "messages"
        case "AWS::SNS::Topic":
            for each in properties.get("Subscription") or ():
                yield own, find(each.get("Endpoint")), "messages"
        case "AWS::Events::Rule":
            yield find.bus(properties.get("EventBusName")), own, "events that match"
            for each in properties.get("Targets") or ():
                yield own, find(each.get("Arn")), "events"
        case "AWS::S3::Bucket" | "AWS::StepFunctions::StateMachine" | "AWS::Cognito::UserPool":
            for arn in _arns(properties):
                yield own, find(arn), "events"


def _parsed(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _arns(value: Any) -> Iterator[str]:
    """The ARNs in a value, also in JSON within it."""
    match value:
        case dict():
            for each in value.values():
                yield from _arns(each)
        case list() | tuple():
            for each in value:
                yield from _arns(each)
        case str() if value.startswith("arn:"):
            yield value
        case str() if value.startswith("{"):
            yield from _arns(_parsed(value))

"""The addresses that a stack's APIs have on AWS, and where the same APIs answer on this machine."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from lampwork.stack.model import Stack

# https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html
# https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
ON_AWS: Final = re.compile(
    r"\b(?P<id>[a-z0-9]{10})\.(?P<kind>execute-api|lambda-url)\.[a-z0-9-]+"
    r"\.(?:amazonaws\.com|on\.aws)\b(?::443)?"
)


WILDCARD: Final = frozenset("*?")
USER_POOL: Final = "AWS::Cognito::UserPool"
OVER_TLS: Final = re.compile(r"\b(http|ws)s://((?:[\w.-]+\.)?localhost:)")


class OwnAddresses:
    """Where the APIs and function URLs of a stack answer, on this port.

    An API whose stages no other API shares is at plain `localhost`, which every program can
    resolve; the others are under hosts of their own.
    """

    def __init__(self, stack: Stack, port: int) -> None:
        self._port = port
        named = list(_stages(stack))
        self._ids = {id for id, _ in named}
        self._shared = {
            id for id, stage in named if any(stage == s and id != other for other, s in named)
        }

    def localised(self, text: str) -> str:
        """The text with each host of this stack's APIs replaced by the host and port here."""
        return ON_AWS.sub(self._host, text) if self._ids else text

    def for_clients(self, text: str) -> str:
        """The same for programs beside the functions: with http:// and ws://, since they do not
        trust this machine's certificate."""
        plain = self.localised(text)
        return plain if plain == text else OVER_TLS.sub(r"\1://\2", plain)

    def _host(self, found: re.Match[str]) -> str:
        id, kind = found["id"], found["kind"]
        if id not in self._ids:
            return found[0]
        host = f"{id}.{kind}.localhost" if id in self._shared else "localhost"
        return f"{host}:{self._port}"


def with_own_addresses(stack: Stack, port: int) -> Stack:
    """The stack with the addresses of its own APIs as they are here, in the variables of its
    functions, in its outputs, and in what it keeps in AWS's services, such as parameters and
    secrets."""
    own = OwnAddresses(stack, port)
    return replace(
        stack,
        functions={
            logical_id: replace(
                function,
                environment={
                    name: own.localised(value) for name, value in function.environment.items()
                },
            )
            for logical_id, function in stack.functions.items()
        },
        resources=tuple(
            replace(each, properties=_mapping(each.properties, own)) for each in stack.resources
        ),
        deployed=tuple(
            replace(
                each,
                outputs=tuple(
                    replace(output, value=own.for_clients(output.value)) for output in each.outputs
                ),
            )
            for each in stack.deployed
        ),
    )


def aws_hosts(stack: Stack, region: str, port: int) -> dict[str, int]:
    """The hosts of AWS that lead a function of this stack to this port: those of the stack's own
    APIs, which code makes of an event's `apiId`, and where it reads the keys of the stack's user
    pools, in order to verify a token.

    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
    """
    apis = [each.api_id for each in (*stack.routed_apis, *stack.websocket_apis)]
    hosts = [
        *(f"{api}.execute-api.{region}.amazonaws.com" for api in apis),
        *(f"{each.url_id}.lambda-url.{region}.on.aws" for each in stack.function_urls),
        *(_pool_host(region) for each in stack.resources if each.type == USER_POOL),
    ]
    return dict.fromkeys(hosts, port)


def names_of_aws(region: str) -> tuple[str, ...]:
    """What a certificate must be for, so that a client takes this machine for these hosts."""
    return (
        _pool_host(region),
        f"*.execute-api.{region}.amazonaws.com",
        f"*.lambda-url.{region}.on.aws",
    )


def hosts_of_templates(stack: Stack) -> Iterator[str]:
    """The hosts that a stack calls its own, and that somebody may lead here to try them: domain
    names of its APIs, and the hosts that rules of its load balancers name whole."""
    yield from stack.domains
    for listener in stack.load_balancers:
        for rule in listener.rules:
            for condition in rule.conditions:
                if condition.field == "host-header":
                    yield from (each for each in condition.values if not WILDCARD & set(each))


def _pool_host(region: str) -> str:
    return f"cognito-idp.{region}.amazonaws.com"


def _stages(stack: Stack) -> Iterator[tuple[str, str]]:
    """Each API's id with what tells its requests from those of others at plain `localhost`: its
    stage, and for a WebSocket API its kind too."""
    for api in stack.routed_apis:
        yield api.api_id, api.stage
    for url in stack.function_urls:
        yield url.url_id, "$default"
    for socket in stack.websocket_apis:
        yield socket.api_id, f"WebSocket {socket.stage}"


def _mapping(values: Mapping[str, Any], own: OwnAddresses) -> dict[str, Any]:
    return {key: _localised(each, own) for key, each in values.items()}


def _localised(value: object, own: OwnAddresses) -> object:
    match value:
        case str():
            return own.localised(value)
        case Mapping():
            return _mapping(value, own)
        case list():
            return [_localised(each, own) for each in value]
    return value

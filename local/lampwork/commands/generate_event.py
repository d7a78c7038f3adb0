"""Prints sample events, made by the emulator's own code, for `lampwork invoke NAME -e -`."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import click

from lampwork.commands.options import Command
from lampwork.commands.sam.words import Word, words
from lampwork.commands.samples.registry import SAMPLES
from lampwork.events.http_api import http_event
from lampwork.events.identifiers import Moment, new_id
from lampwork.events.rest_api import proxy_event
from lampwork.events.websocket_api import (
    Connection,
    connect_event,
    disconnect_event,
    message_event,
)
from lampwork.http.request import Request
from lampwork.stack.model import ACCOUNT_ID, HttpApi, HttpRoute, RestApi
from lampwork.stack.router import Match, Router
from lampwork.triggers.registry import SOURCES
from lampwork.triggers.samples import Option, Sample, UnfitOption, json_object

HOST: Final = "localhost:8000"
PARTITION: Final = "aws"


# SAM's own options of each event, which change nothing in it.
WORDS: Final = (
    Word(("--debug",), "there is no client of AWS to watch", variable="SAM_DEBUG"),
    Word(("--config-file",), "samconfig.toml says nothing of events", "value"),
    Word(("--config-env",), "samconfig.toml says nothing of events", "value"),
)


@click.group()
def generate_event() -> None:
    """Print a sample event, as a function receives it."""


@generate_event.group()
def apigateway() -> None:
    """API Gateway: HTTP, REST and WebSocket APIs."""


def _request_options(stage: str) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in (
            click.option("--method", default="GET", show_default=True),
            click.option(
                *("--path",),
                default="/hello",
                show_default=True,
                help="May end in a query string.",
            ),
            click.option(
                "--route", help="The route's path, such as /tasks/{id}; by default, the path."
            ),
            click.option("--body", default=""),
            click.option("--stage", default=stage, show_default=True),
            click.option(
                "--dns-suffix", help="The domain of the API, such as us-east-1.amazonaws.com."
            ),
        ):
            command = option(command)
        return addressed(command)

    return decorate


def addressed(command: Command) -> Command:
    """Add the options that say in which account and partition an event comes to be, and those of
    SAM that change nothing."""
    for option in (
        click.option("--account-id", default=ACCOUNT_ID, show_default=True),
        click.option("--partition", default=PARTITION, show_default=True),
    ):
        command = option(command)
    return words(*WORDS)(command)


@apigateway.command()
@_request_options(stage="$default")
def http_api(
    method: str,
    path: str,
    route: str | None,
    body: str,
    stage: str,
    dns_suffix: str | None,
    **place: str,
) -> None:
    """A request to an HTTP API, payload 2.0."""
    path = f"/{path.lstrip('/')}"
    request = _request(method, _staged(stage, path), body, dns_suffix)
    match = _match(method, path, route)
    _print(
        http_event(
            request,
            HttpApi("HttpApi", "local", stage, (match.route,)),
            match.route,
            match.parameters,
            request_id=new_id(),
            moment=Moment.now(),
        ),
        **place,
    )


@apigateway.command()
@_request_options(stage="Prod")
@click.option("--resource", help="The route's path, as SAM calls it.")
@click.option(
    *("--querystringparameters", "query"),
    metavar="JSON",
    help="The query string as a JSON object; --path may hold one too.",
)
def aws_proxy(
    method: str,
    path: str,
    route: str | None,
    body: str,
    stage: str,
    dns_suffix: str | None,
    resource: str | None,
    query: str | None,
    **place: str,
) -> None:
    """A request to a REST API, payload 1.0."""
    path = f"/{path.lstrip('/')}"
    if query is not None:
        path = f"{path}?{urlencode(_query(query))}"
    request = _request(method, _staged(stage, path), body, dns_suffix)
    match = _match(method, path, route or resource)
    api = RestApi("RestApi", "local", stage, (match.route,))
    event = proxy_event(request, api, match, request_id=str(uuid.uuid4()), moment=Moment.now())
    _print(event, **place)


def _query(text: str) -> dict[str, Any]:
    try:
        return json_object("--querystringparameters", text)
    except UnfitOption as error:
        raise click.BadParameter(f"{error}", param_hint=error.option) from error


apigateway.add_command(http_api, "http-api-proxy")  # as SAM names it


@apigateway.command()
@click.option("--query", default="", help="The query string, such as token=abc.")
@click.option("--stage", default="prod", show_default=True)
def websocket_connect(query: str, stage: str) -> None:
    """$connect of a WebSocket API."""
    _print(connect_event(_connection(stage), [("Host", HOST)], query, new_id()))


@apigateway.command()
@click.option("--route", default="$default", show_default=True)
@click.option("--body", default='{"action":"hello"}', show_default=True)
@click.option("--stage", default="prod", show_default=True)
def websocket_message(route: str, body: str, stage: str) -> None:
    """A message to a route of a WebSocket API."""
    _print(message_event(_connection(stage), route, body, new_id()))


@apigateway.command()
@click.option("--code", default=1001, show_default=True)
@click.option("--reason", default="")
@click.option("--stage", default="prod", show_default=True)
def websocket_disconnect(code: int, reason: str, stage: str) -> None:
    """$disconnect of a WebSocket API."""
    _print(disconnect_event(_connection(stage), code, reason))


def _add_samples(sample: Sample) -> None:
    """Add a command for the sample to the group of each of its services."""

    @click.command(sample.name, help=sample.about)
    @addressed
    def command(**given: Any) -> None:
        _print_sample(sample, **given)

    command.params = [*map(_option, sample.options), *command.params]
    for service in sample.services:
        group = generate_event.commands.get(service.name)
        if not isinstance(group, click.Group):
            group = click.Group(service.name, help=service.about)
            generate_event.add_command(group)
        group.add_command(command)


def _option(option: Option) -> click.Option:
    multiple = option.multiple is not None
    default = (option.default,) if multiple and option.default is not None else option.default
    return click.Option(
        [f"--{each}" for each in (option.name, option.also) if each]
        + [option.multiple or option.name.replace("-", "_").lower()],
        default=False if option.flag else default,
        show_default=default is not None,
        help=option.about or None,
        is_flag=option.flag,
        multiple=multiple,
    )


def _print_sample(sample: Sample, account_id: str, partition: str, **given: Any) -> None:
    try:
        event = sample.make(**given)
    except UnfitOption as error:
        raise click.BadParameter(f"{error}", param_hint=error.option) from error
    _print(event, account_id, partition)


for each in SAMPLES:
    _add_samples(each)
for source in SOURCES:  # an event that the emulator sends itself is the better sample
    for each in source.samples:
        _add_samples(each)


def _print(
    event: Mapping[str, Any], account_id: str = ACCOUNT_ID, partition: str = PARTITION
) -> None:
    text = json.dumps(event, indent=2, ensure_ascii=False)
    click.echo(text.replace(ACCOUNT_ID, account_id).replace("arn:aws:", f"arn:{partition}:"))


def _staged(stage: str, path: str) -> str:
    """The path with the stage in front, as a client sends it."""
    return path if stage == "$default" else f"/{stage}{path}"


def _match(method: str, target: str, route: str | None) -> Match:
    """Match the request against a route with the path `route`, by default the request's own."""
    path = target.partition("?")[0]
    if match := Router([HttpRoute(method, route or path, "Function")]).match(method, path):
        return match
    raise click.BadParameter(f"{path} does not fit {route}.", param_hint="--route")


def _request(method: str, target: str, body: str, dns_suffix: str | None) -> Request:
    host = f"local.execute-api.{dns_suffix}" if dns_suffix else HOST
    headers = [("Host", host), ("User-Agent", "lampwork"), ("Accept", "*/*")]
    if body:
        headers.append(("Content-Type", "application/json"))
        headers.append(("Content-Length", str(len(body.encode()))))
    return Request(method, target, headers, body.encode(), ("127.0.0.1", 0), secure=False)


def _connection(stage: str) -> Connection:
    return Connection("local", stage, "127.0.0.1", "lampwork", HOST)

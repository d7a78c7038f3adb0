"""Prints sample events, made by the emulator's own code, for `lampwork invoke NAME -e -`."""

import json
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import click

from lampwork.commands.options import Command
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
from lampwork.stack.model import HttpApi, HttpRoute, RestApi
from lampwork.stack.router import Match, Router
from lampwork.triggers.registry import SOURCES
from lampwork.triggers.samples import Option, Sample, UnfitOption

HOST: Final = "localhost:8000"


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
        ):
            command = option(command)
        return command

    return decorate


@apigateway.command()
@_request_options(stage="$default")
def http_api(method: str, path: str, route: str | None, body: str, stage: str) -> None:
    """A request to an HTTP API, payload 2.0."""
    request = _request(method, _staged(stage, path), body)
    match = _match(method, path, route)
    _print(
        http_event(
            request,
            HttpApi("HttpApi", "local", stage, (match.route,)),
            match.route,
            match.parameters,
            request_id=new_id(),
            moment=Moment.now(),
        )
    )


@apigateway.command()
@_request_options(stage="Prod")
def aws_proxy(method: str, path: str, route: str | None, body: str, stage: str) -> None:
    """A request to a REST API, payload 1.0."""
    request = _request(method, _staged(stage, path), body)
    match = _match(method, path, route)
    api = RestApi("RestApi", "local", stage, (match.route,))
    event = proxy_event(request, api, match, request_id=str(uuid.uuid4()), moment=Moment.now())
    _print(event)


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
    command = click.Command(
        sample.name,
        callback=partial(_print_sample, sample),
        params=[_option(each) for each in sample.options],
        help=sample.about,
    )
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
        [f"--{option.name}", *([option.multiple] if option.multiple else [])],
        default=False if option.flag else default,
        show_default=default is not None,
        help=option.about or None,
        is_flag=option.flag,
        multiple=multiple,
    )


def _print_sample(sample: Sample, **given: Any) -> None:
    try:
        event = sample.make(**given)
    except UnfitOption as error:
        raise click.BadParameter(f"{error}", param_hint=error.option) from error
    _print(event)


for each in SOURCES:
    for sample in each.samples:
        _add_samples(sample)


def _print(event: Mapping[str, Any]) -> None:
    click.echo(json.dumps(event, indent=2, ensure_ascii=False))


def _staged(stage: str, path: str) -> str:
    """The path with the stage in front, as a client sends it."""
    return path if stage == "$default" else f"/{stage}{path}"


def _match(method: str, target: str, route: str | None) -> Match:
    """Match the request against a route with the path `route`, by default the request's own."""
    path = target.partition("?")[0]
    if match := Router([HttpRoute(method, route or path, "Function")]).match(method, path):
        return match
    raise click.BadParameter(f"{path} does not fit {route}.", param_hint="--route")


def _request(method: str, target: str, body: str) -> Request:
    headers = [("Host", HOST), ("User-Agent", "lampwork"), ("Accept", "*/*")]
    if body:
        headers.append(("Content-Type", "application/json"))
        headers.append(("Content-Length", str(len(body.encode()))))
    return Request(method, target, headers, body.encode(), ("127.0.0.1", 0), secure=False)


def _connection(stage: str) -> Connection:
    return Connection("local", stage, "127.0.0.1", "lampwork", HOST)

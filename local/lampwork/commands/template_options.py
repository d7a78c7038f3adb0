"""The command line's words on a template: which, with which parameters."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lampwork.config.project_config import Config, load_config
from lampwork.config.samconfig import overrides

Command = Callable[..., None]


class Overrides(click.Option):
    """Takes all words of its form that follow, as `sam` does, not only the first."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        option = parser._long_opt[self.opts[0]]
        take = option.process

        def take_all(value: Any, state: Any) -> None:
            take(value, state)
            while state.rargs and "=" in state.rargs[0] and not state.rargs[0].startswith("-"):
                take(state.rargs.pop(0), state)

        option.process = take_all


def template_options(command: Command) -> Command:
    """SAM's own names, and `--parameter` for one value at a time."""
    for option in (
        click.option("--config-file", type=Path, help="SAM's configuration, samconfig.toml."),
        click.option("--config-env", metavar="NAME", help="The environment in it."),
        click.option(
            "--parameter",
            "parameter",
            multiple=True,
            metavar="NAME=VALUE",
            help="A parameter of the template, or another stack's export that it imports.",
        ),
        click.option(
            "--parameter-overrides",
            cls=Overrides,
            multiple=True,
            metavar="NAME=VALUE …",
            help="Parameters as `sam` takes them.",
        ),
    ):
        command = option(command)
    return command


def load_with(here: Path, given: dict[str, Any]) -> Config:
    """The configuration for the folder `here`; takes its options out of those given."""
    environment = given.pop("config_env", None)
    file: Path | None = given.pop("config_file", None)
    config = load_config(here, sam_file=file and here / file, sam_environment=environment)
    single: Mapping[str, str] = dict(_pair(each) for each in given.pop("parameter", ()))
    parameters = {
        **config.parameters,
        **overrides(given.pop("parameter_overrides", ())),
        **single,
    }
    return replace(config, parameters=parameters)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} must be NAME=VALUE.", param_hint="--parameter")
    return name, value

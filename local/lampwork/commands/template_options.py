"""The command line's words on a template: which, with which parameters."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lampwork.config import Config, load_config
from lampwork.parameters import overrides

Command = Callable[..., None]


def template_options(command: Command) -> Command:
    """SAM's own names, and `--parameter` for one value at a time."""
    for option in (
        click.option("--config-file", type=Path, help="SAM's configuration, samconfig.toml."),
        click.option("--config-env", metavar="NAME", help="The environment in samconfig.toml."),
        click.option(
            "--parameter",
            "parameter",
            multiple=True,
            metavar="NAME=VALUE",
            help="A parameter of the template, or another stack's export that it imports.",
        ),
        click.option(
            "--parameter-overrides",
            multiple=True,
            metavar="'NAME=VALUE …'",
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

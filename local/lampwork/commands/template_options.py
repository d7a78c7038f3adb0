"""The command line's options about the template: SAM's configuration and the parameters."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lampwork.config.project_config import Config, load_config
from lampwork.config.samconfig import START_API, parse_parameters

Command = Callable[..., None]


def template_options(command: Command) -> Command:
    """Add SAM's own options, and `--parameter`, which takes one value at a time."""
    for option in (
        click.option("--config-file", type=Path, help="SAM's configuration, samconfig.toml."),
        click.option(
            "--config-env", metavar="NAME", help="The environment in SAM's configuration."
        ),
        click.option(
            "--parameter",
            "parameter",
            multiple=True,
            metavar="NAME=VALUE",
            help="The value of a template parameter, or of an export of another stack that the"
            " template imports; may be repeated.",
        ),
        click.option(
            "--parameter-overrides",  # cli.py lets several words follow it
            multiple=True,
            metavar="NAME=VALUE …",
            help="Values of template parameters, in the format of `sam`.",
        ),
    ):
        command = option(command)
    return command


def load_with(here: Path, given: dict[str, Any]) -> Config:
    """The configuration for the folder `here`, with the options of `template_options` applied.

    Removes these options from `given`.

    Raises:
        ConfigurationError: the configuration or a parameter is wrong.
    """
    environment = given.pop("config_env", None)
    file: Path | None = given.pop("config_file", None)
    config = load_config(
        here,
        sam_file=file and here / file,
        sam_environment=environment,
        sam_command=given.pop("sam_command", START_API),
    )
    single: Mapping[str, str] = dict(_pair(each) for each in given.pop("parameter", ()))
    parameters = {
        **config.parameters,
        **parse_parameters(given.pop("parameter_overrides", ())),
        **single,
    }
    return replace(config, parameters=parameters)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} must be NAME=VALUE.", param_hint="--parameter")
    return name, value

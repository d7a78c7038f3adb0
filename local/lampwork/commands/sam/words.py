"""Options of `sam local` that have nothing to do here: they are accepted, and told of once.

tests/emulator/sam_options.txt lists all of them; it is made from aws-sam-cli.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import click
from click.core import ParameterSource

from lampwork.errors import ConfigurationError

Command = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Word:
    """An option that has no effect, and why. `kind` is "flag", "value" or "optional": one whose
    value may be left out. One with `refused` would make another result than the user expects."""

    names: tuple[str, ...]
    why: str
    kind: str = "flag"
    multiple: bool = False
    variable: str | None = None
    refused: bool = False


NO_IMAGE: Final = "no image is used, since functions run without containers"
NO_CONTAINER: Final = "functions run without containers, on this machine's own network"
OF_ALL: Final = (
    Word(("--skip-pull-image",), NO_IMAGE, variable="SAM_SKIP_PULL_IMAGE"),
    Word(("--force-image-build",), NO_IMAGE, variable="SAM_FORCE_IMAGE_BUILD"),
    Word(("--invoke-image", "-ii"), NO_IMAGE, "value", multiple=True),
    Word(("--docker-network",), NO_CONTAINER, "value", variable="SAM_DOCKER_NETWORK"),
    Word(("--container-host",), NO_CONTAINER, "value"),
    Word(("--container-host-interface",), NO_CONTAINER, "value"),
    Word(
        ("--add-host",),
        f"{NO_CONTAINER}: add the name to /etc/hosts",
        "value",
        multiple=True,
    ),
    Word(("--container-dns",), f"{NO_CONTAINER} and name servers", "value", multiple=True),
    Word(
        ("--layer-cache-basedir",),
        "layers of the template run from their folders; those of an account are not fetched",
        "value",
        variable="SAM_LAYER_CACHE_BASEDIR",
    ),
    Word(
        ("--debugger-path",),
        "debugpy is loaded from where Lampwork is installed",
        "value",
    ),
    Word(
        ("--debug-args",),
        "debugpy needs none; the port is that of --debug-port",
        "value",
        variable="DEBUGGER_ARGS",
    ),
    Word(("--shutdown",), "processes end as on Lambda anyway, with their extensions"),
    Word(
        ("--mount-symlinks/--no-mount-symlinks",),
        "code runs from its own folder, where links lead as they always do",
    ),
    Word(
        ("--language-extensions/--no-language-extensions",),
        "Fn::ForEach works where the template has the Transform AWS::LanguageExtensions",
    ),
    Word(("--skip-prepare-infra/--prepare-infra",), "nothing has to be prepared"),
    Word(("--beta-features/--no-beta-features",), "there are none to switch on"),
    Word(("--save-params",), "Lampwork reads samconfig.toml and writes nothing into it"),
    Word(
        ("--hook-name",),
        "Lampwork reads templates of SAM, CloudFormation and the CDK, none of Terraform",
        "value",
        refused=True,
    ),
    Word(
        ("--terraform-plan-file",),
        "Lampwork reads templates of SAM, CloudFormation and the CDK, none of Terraform",
        "value",
        refused=True,
    ),
)
OF_SERVERS: Final = (
    Word(
        ("--warm-containers",),
        "environments are forked in milliseconds, kept while they are used and replaced when a"
        " file is saved",
        "value",
    ),
)
VOLUME: Final = "code runs from its own folder; nothing is mounted"
OF_INVOKE: Final = (
    Word(("--docker-volume-basedir", "-v"), VOLUME, "value", variable="SAM_DOCKER_VOLUME_BASEDIR"),
    Word(("--runtime", "-r"), "functions run on a Python of this machine", "value"),
)
OF_LOGS: Final = (
    Word(("--stack-name",), "the log is that of this folder's own stack", "value"),
    Word(("--include-traces", "-i"), "X-Ray gets no traces here"),
    Word(
        ("--cw-log-group",),
        "the log holds what functions, services and processes of this project print",
        "value",
        multiple=True,
    ),
    Word(("--beta-features/--no-beta-features",), "there are none to switch on"),
    Word(("--save-params",), "Lampwork reads samconfig.toml and writes nothing into it"),
    Word(("--profile",), "the log is on this machine", "value"),
    Word(("--region",), "the log is on this machine", "value"),
    Word(("--debug",), "there is no client of AWS to watch", variable="SAM_DEBUG"),
)


def words(*options: Word) -> Callable[[Command], Command]:
    """Accept these options, and tell once that they have no effect."""

    def decorate(command: Command) -> Command:
        for word in options:
            command = click.option(
                *word.names,
                is_flag=word.kind == "flag",
                multiple=word.multiple,
                default=None,
                envvar=word.variable,
                hidden=True,
                expose_value=False,
                callback=partial(_tell, word),
            )(command)
        return command

    return decorate


def _tell(word: Word, context: click.Context, option: click.Parameter, value: Any) -> None:
    source = context.get_parameter_source(option.name or "")
    if value in (None, ()) or source in (None, ParameterSource.DEFAULT):
        return
    if word.refused:
        raise ConfigurationError(f"{option.opts[0]}: {word.why}.")
    # What a project's samconfig.toml says for `sam` is no question to Lampwork.
    if source is not ParameterSource.DEFAULT_MAP:
        click.echo(f"{option.opts[0]} has no effect here: {word.why}.", err=True)

"""Commands of `sam`, whose defaults stand in samconfig.toml.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-config.html
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from lampwork.config.project_config import sam_config

# `config_of` reads these itself, since [tool.lampwork] wins over them.
READ_ELSEWHERE: Final = frozenset(
    ("parameter_overrides", "template", "template_file", "region", "stack_name", "data")
)


class SamCommand(click.Command):
    """A command whose options take their defaults from its section of SAM's configuration.

    `section` is the command's name there, such as local_invoke.
    """

    section = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        root, config = sam_config(
            Path.cwd(),
            sam_file=given.get("config_file"),
            sam_environment=given.get("config_env"),
            sam_command=self.section,
        )
        ctx.default_map = dict(self._defaults(root, config.settings))
        return super().parse_args(ctx, args)

    def _defaults(self, root: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        options = {
            spelling.lstrip("-").replace("-", "_"): option
            for option in self.params
            for spelling in option.opts
            if isinstance(option, click.Option)
        }
        for name, value in settings.items():
            option = options.get(name)
            if option is not None and name not in READ_ELSEWHERE:
                yield option.name or name, _fitting(option, value, root)


def command_of_sam(section: str) -> type[SamCommand]:
    """The class of a command whose section in SAM's configuration has this name."""
    return type(f"{section}_command", (SamCommand,), {"section": section})


def _fitting(option: click.Option, value: Any, root: Path) -> Any:
    """A value of the configuration for an option. Paths there begin at the project's folder."""
    if isinstance(option.type, click.File | click.Path) and value != "-":
        return str(root / str(value))
    if option.multiple and not isinstance(value, list):
        return [value]
    return value

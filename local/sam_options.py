"""Writes the options of `sam local` that tests compare ours with: `.tools/bin/python
local/sam_options.py [--check]`.

Runs in the environment of aws-sam-cli, of which it reads nothing but the names.
"""

import argparse
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import click
from samcli.commands.local.generate_event.event_generation import GenerateEventCommand
from samcli.commands.local.invoke.cli import cli as invoke
from samcli.commands.local.start_api.cli import cli as start_api
from samcli.commands.local.start_lambda.cli import cli as start_lambda
from samcli.commands.logs.command import cli as logs

TARGET = Path(__file__).parents[1] / "tests" / "emulator" / "sam_options.txt"
COMMANDS = {
    "invoke": invoke,
    "start-api": start_api,
    "start-lambda": start_lambda,
    "logs": logs,
}
# Every event has these.
OF_ALL = ("--debug", "--config-file", "--config-env")


def build() -> str:
    """One line for each option: its command, its names with commas, its variable if it has one."""
    version = metadata.version("aws-sam-cli")
    lines = [f"# Made by `make sam-options` from aws-sam-cli {version}."]
    for name, command in COMMANDS.items():
        lines += _options(name, command)
    events = GenerateEventCommand()
    context = click.Context(events)
    for service in sorted(events.list_commands(context)):
        group = events.get_command(context, service)
        for event in sorted(group.list_commands(context)):
            lines += _options(
                f"generate-event {service} {event}", group.get_command(context, event)
            )
    return "".join(f"{line}\n" for line in lines)


def _options(name: str, command: click.Command) -> Iterator[str]:
    found = False
    passed_over = OF_ALL if name.startswith("generate-event") else ()
    for option in command.params:
        names = ",".join(sorted([*option.opts, *option.secondary_opts]))
        if names and isinstance(option, click.Option) and names not in passed_over:
            found = True
            yield " ".join(filter(None, (f"{name}:", names, str(option.envvar or ""))))
    if not found:
        yield f"{name}:"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="only say whether it is up to date")
    built = build()
    if arguments.parse_args().check:
        if TARGET.exists() and TARGET.read_text() == built:
            return 0
        sys.stderr.write(f"{TARGET.name} is out of date: run `make sam-options`.\n")
        return 1
    TARGET.write_text(built)
    return 0


if __name__ == "__main__":
    sys.exit(main())

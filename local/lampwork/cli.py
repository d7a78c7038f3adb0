import gc
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Final

import click

from lampwork.errors import LampworkError

VERSION: Final = "0.1.0"
OVERRIDES: Final = "--parameter-overrides"


# Each command by its name, in a module that is imported only for it: `up` should not wait for the
# others, and a package that does not fit is reported while `main` can catch the error.
COMMANDS: Final = {
    "init": "lampwork.commands.new_project.init:init",
    "up": "lampwork.commands.serve:up",
    "status": "lampwork.commands.background.status:status",
    "down": "lampwork.commands.background.down:down",
    "start-api": "lampwork.commands.serve:start_api",
    "start-lambda": "lampwork.commands.serve:start_lambda",
    "invoke": "lampwork.commands.invoke:invoke",
    "routes": "lampwork.commands.routes:routes",
    "queues": "lampwork.commands.queues:queues",
    "coldstart": "lampwork.commands.coldstart:coldstart",
    "policies": "lampwork.commands.policies:policies",
    "events": "lampwork.commands.events:events",
    "logs": "lampwork.commands.logs:logs",
    "generate-event": "lampwork.commands.generate_event:generate_event",
}
DETACH: Final = "--detach"
SERVING: Final = "lampwork.commands.serve"
# What Lampwork cannot do elsewhere than on Linux, and what to do instead.
ON_WINDOWS: Final = (
    "Lampwork runs on Linux. On Windows use WSL 2: `wsl --install`, then install and start Lampwork"
    " in the Linux that this brings. The browser on Windows finds it at localhost."
)
ON_MACOS: Final = (
    "Lampwork runs functions on Linux, not on macOS yet. Use its container, or a virtual machine:"
    " the README says how."
)
RUNNING: Final = frozenset(("up", "start-api", "start-lambda", "invoke", "local", "coldstart"))
# The commands that `sam` has below `sam local`.
OF_LOCAL: Final = ("start-api", "start-lambda", "invoke", "generate-event")


class Program(click.Group):
    """Loads a command when it is used.

    It lets several words follow `--parameter-overrides` in every command, as `sam` does: click
    gives each option a fixed number of words, so this repeats the option's name before each further
    word, and then passes the words on to the command.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "local":
            return Local("local", help="The same commands as `sam local` writes them.")
        return _loaded(cmd_name) if cmd_name in COMMANDS else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(with_repeated_overrides(args)))


class Local(click.Group):
    """`lampwork local invoke` is `lampwork invoke`, for the fingers of those who know `sam`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(OF_LOCAL)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _loaded(cmd_name) if cmd_name in OF_LOCAL else None


def _loaded(name: str) -> click.Command:
    module, attribute = COMMANDS[name].split(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command


def with_repeated_overrides(words: list[str]) -> Iterator[str]:
    """The words of a command line, with `--parameter-overrides` before each of its values.

    The first value may be any word. The words after it are values too, as long as they contain "="
    and do not begin with "-". Nothing changes after "--", which ends the options.
    """
    rest = iter(words)
    takes_values = False
    for word in rest:
        if word == "--":
            yield from (word, *rest)
        elif word == OVERRIDES:
            takes_values = True
            yield from (word, *islice(rest, 1))
        elif takes_values and "=" in word and not word.startswith("-"):
            yield from (OVERRIDES, word)
        else:
            takes_values = word.startswith(f"{OVERRIDES}=")
            yield word


def main() -> None:
    """The program `lampwork`. Prints a LampworkError as a message, without a traceback."""
    if refused := _refusal(sys.platform, sys.argv[1:]):
        click.echo(f"Error: {refused}", err=True)
        sys.exit(1)
    serves = COMMANDS.get("".join(sys.argv[1:2]), "").startswith(SERVING)
    if serves and DETACH not in sys.argv:
        # Neither can be imported where the commands are refused.
        from lampwork.runtime.forking import program
        from lampwork.runtime.world import ability

        gc.disable()  # until it serves: what is imported stays
        ability.begin()  # its process and the next run while this one imports
        program.begin()
    try:
        lampwork(prog_name="lampwork")
    except LampworkError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _refusal(platform: str, words: list[str]) -> str | None:
    """Why this command cannot run here, which is better said at once than found out."""
    if platform == "win32":
        return ON_WINDOWS
    if platform == "darwin" and "".join(words[:1]) in RUNNING:
        return ON_MACOS
    return None


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="lampwork", message="%(prog)s %(version)s")
def lampwork() -> None:
    """Run the Python functions of a SAM template on this machine."""

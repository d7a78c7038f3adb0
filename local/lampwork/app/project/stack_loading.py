"""From a project's template to the stack that a command serves."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from lampwork.app.packages.installations import Installations
from lampwork.app.project.options import Options
from lampwork.app.pythons.choice import Pythons
from lampwork.companions.services import Services
from lampwork.config.project_config import STACK_NAME, Config
from lampwork.errors import TemplateError
from lampwork.stack.function_overrides import (
    unknown_names,
    with_values_of,
    with_variables,
    without_time_out,
)
from lampwork.stack.model import Ignored, Schedule, Stack
from lampwork.stack.own_addresses import with_own_addresses
from lampwork.template.reader import read_stack
from lampwork.triggers.registry import SOURCES
from lampwork.triggers.schedules import check_overrides
from lampwork.triggers.source import Source


class StackLoader:
    """Loads a project's stack with the command line's options applied.

    `port` is where its APIs answer. `say` tells the user of warnings and of what is not emulated;
    what one load has told, the next does not repeat.
    """

    def __init__(
        self,
        options: Options,
        services: Services,
        installations: Installations,
        pythons: Pythons,
        port: int,
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._services = services
        self._installations = installations
        self._pythons = pythons
        self._port = port
        self._say = say
        self._warned: frozenset[str] = frozenset()
        self._told: frozenset[Ignored] = frozenset()  # as of the last load, whatever their lines

    async def load(self, config: Config) -> Stack:
        """
        Raises:
            LampworkError: the template or the configuration of a schedule is wrong.
        """
        stack = await asyncio.to_thread(
            load_stack, config, self._services.aws_url, self._options.sources
        )
        self._report_warnings(stack)
        self._report_ignored(stack)
        stack = with_own_addresses(_with_folders_name(stack, config), self._port)
        check_overrides(config.schedules, stack.triggers_of(Schedule))
        stack = self._with_options(stack)
        functions = await self._pythons.assign(config, stack.functions)
        functions = await asyncio.to_thread(self._installations.assign, functions)
        return replace(stack, functions=functions)

    def _report_warnings(self, stack: Stack) -> None:
        for warning in stack.warnings:
            if warning not in self._warned:
                self._say(f"Warning: {warning}")
        self._warned = frozenset(stack.warnings)

    def _report_ignored(self, stack: Stack) -> None:
        """Say what is not emulated, or refuse it. What nothing misses is said with --strict alone,
        and by `lampwork routes`."""
        missed = [each for each in stack.ignored if not each.harmless]
        if missed and self._options.strict:
            lines = "\n  ".join(map(not_emulated, missed))
            raise TemplateError(f"Not emulated, and --strict is set:\n  {lines}")
        told = stack.ignored if self._options.strict else missed
        for each in told:
            if replace(each, line=0) not in self._told:
                self._say(f"Not emulated: {not_emulated(each)}")
        self._told = frozenset(replace(each, line=0) for each in told)

    def _with_options(self, stack: Stack) -> Stack:
        variables = self._options.function_variables
        if unknown := unknown_names(stack, variables):
            self._say(f"--env-vars names no function: {', '.join(unknown)}.")
        stack = self._options.narrow(stack)
        if self._options.shell_env:
            stack = with_values_of(stack, os.environ)
        stack = with_variables(stack, variables)
        debugged = self._options.debugged
        return without_time_out(stack, debugged) if debugged else stack


def _with_folders_name(stack: Stack, config: Config) -> Stack:
    """The stack of a project that names it nowhere is found by its folder's name, too."""
    if config.stack_name != STACK_NAME or config.stacks or not stack.deployed:
        return stack
    first, *nested = stack.deployed
    return replace(stack, deployed=(replace(first, also=config.root.name), *nested))


def load_stack(config: Config, aws_url: str, sources: Sequence[Source] = SOURCES) -> Stack:
    """The stack of the project's template.

    Raises:
        TemplateError: it cannot be read.
    """
    return read_stack(
        config.template,
        parameters=config.parameters,
        spare=config.sam_parameters,
        region=config.region,
        stack_name=config.stack_name,
        cache_dir=config.data / "templates",
        queue_url_base=aws_url,
        sources=sources,
        stacks=config.stacks,
    )


def not_emulated(part: Ignored) -> str:
    """The line for a part of the template that Lampwork does not run."""
    line = f"{part.template.name}, line {part.line}: {part.logical_id} ({part.type})"
    return f"{line}: {part.reason}" if part.reason else line

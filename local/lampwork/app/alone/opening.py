"""A project that is started for one command, which ends it again."""

import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from lampwork.app.lock import DataLock, lock_owner
from lampwork.app.project.options import Options
from lampwork.app.project.project import Beside, Project
from lampwork.companions.ports import free_port
from lampwork.config.project_config import Config
from lampwork.front.server import Front
from lampwork.logs.log import Log
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.durable.executions import DurableFunctions

OWN_ENVIRONMENT: Final = (
    "Beside {}, with the services that run there: this invocation has an environment of its own,"
    " for its options."
)
OWN_SERVICES: Final = (
    "{} runs another template, {}: this invocation has services of its own, which begin empty."
)


@dataclass(frozen=True, slots=True)
class Alone:
    """A project that serves what its functions may call: other functions, and its own APIs."""

    project: Project
    durable: DurableFunctions
    events: EventInvocations


@asynccontextmanager
async def opened_alone(options: Options, log: Log) -> AsyncIterator[Alone]:
    """Start what functions need, and stop everything at the end of the block.

    A Lampwork that runs with the same template lends its services. With another template, this
    project has services and data of its own, for as long as it lasts.

    Raises:
        LampworkError: the project does not start.
    """
    config = options.read_config()
    async with AsyncExitStack() as opened:
        beside = None
        if (running := lock_owner(config.data)) and running.origin:
            work_dir = config.data / f"beside-{os.getpid()}"
            work_dir.mkdir(mode=0o700)
            opened.callback(shutil.rmtree, work_dir, ignore_errors=True)
            if running.template == f"{config.template}":
                log.line("lampwork", OWN_ENVIRONMENT.format(running.origin))
                beside = Beside(running.services, work_dir)
            else:
                log.line("lampwork", OWN_SERVICES.format(running.origin, running.template))
                config = replace(config, data=work_dir)
        if beside is None:
            lock = DataLock(config.data)
            lock.acquire()
            opened.callback(lock.release)
        project = Project(config, options, log, _port(config), beside=beside)
        await project.open(opened)
        durable = DurableFunctions(
            project.functions,
            project.stack.functions,
            folder=config.data / "durable",
            say=project.log_line,
        )
        opened.push_async_callback(durable.stop)
        yield Alone(project, durable, await _open_front(opened, project, durable))


async def _open_front(
    opened: AsyncExitStack, project: Project, durable: DurableFunctions
) -> EventInvocations:
    """Serve what the function may call meanwhile: other functions, and its stack's APIs."""
    events = EventInvocations(durable, project.stack.functions)
    front = Front(
        project.stack,
        durable,
        data_dir=project.config.data,
        port=project.port,
        aws=project.services.aws_address,
        events=events,
        durable=durable,
        guard=project.guard,
    )
    await front.start()
    opened.push_async_callback(front.stop)
    return events


def _port(config: Config) -> int:
    """The configured port, so that addresses are those of `lampwork up`; another if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", config.port))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])

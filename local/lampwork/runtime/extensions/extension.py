import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from lampwork.runtime.execution.log_pipe import LogPipe
from lampwork.runtime.launching.launcher import ChildProcess

INVOKE: Final = "INVOKE"
SHUTDOWN: Final = "SHUTDOWN"
Event = dict[str, Any]


@dataclass(slots=True, eq=False)
class Extension:
    """An extension: a program of its own or, without a `process`, a thread of the function's.

    It is registered once it has said for which `events`; `waiting` is set while it waits for the
    next one.
    """

    name: str
    process: ChildProcess | None = None
    pipe: LogPipe | None = None
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    events: tuple[str, ...] | None = None
    waiting: asyncio.Future[Event] | None = None

    @property
    def is_registered(self) -> bool:
        return self.events is not None

    @property
    def is_external(self) -> bool:
        return self.process is not None

    @property
    def is_idle(self) -> bool:
        """Whether it has done all that it was asked for."""
        return self.waiting is not None

    def wants(self, event: str) -> bool:
        return event in (self.events or ())

    def next_event(self) -> asyncio.Future[Event]:
        """Its next event, for which it waits from now on."""
        self.waiting = asyncio.get_running_loop().create_future()
        return self.waiting

    def give(self, event: Event) -> None:
        """Hand over an event, if it waits for one."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(event)

"""The shape of whatever wakes functions beside requests: queues, streams, schedules, topics, …

A new source is a module with a subclass of `Source`, and a line in `lampwork.triggers.registry`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from lampwork.invocation.port import Invoker
from lampwork.metrics.metrics import Metrics
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import CloudResource, Stack, Trigger
from lampwork.stack.narrowing import Keeps
from lampwork.stack.ways_in import WayIn
from lampwork.template.resource import Template
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.samples import Sample


class EmbeddedAws(Protocol):
    """The AWS that runs beside the functions."""

    @property
    def url(self) -> str: ...

    @property
    def address(self) -> tuple[str, int]: ...

    @property
    def has_started(self) -> bool:
        """Whether anything has needed it yet."""
        ...

    async def loaded(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source finds where it runs.

    `intervals` are seconds between the firings of schedules, by logical id or name, in place of
    what the template says. `say` tells the user of what is not served. `time_scale` shortens what
    only waits.
    """

    invoker: Invoker
    events: EventInvocations
    region: str
    metrics: Metrics
    say: Callable[[str], None]
    aws: EmbeddedAws | None = None
    sqs_endpoint: str | None = None
    intervals: Mapping[str, float] = field(default_factory=dict)
    time_scale: float = 1

    async def aws_has_loaded(self) -> None:
        """Wait for the embedded AWS, if it has begun to load.

        Raises:
            StartError: it ended before it answered.
        """
        if self.aws is not None and self.aws.has_started:
            await self.aws.loaded()


class Running(Protocol):
    """A source that wakes functions until it is stopped."""

    async def start(self, stack: Stack) -> None:
        """Serve the triggers of a stack.

        Raises:
            StartError: what it needs does not answer yet; it can be started again.
        """

    async def update(self, stack: Stack) -> None:
        """Go on with a saved template; triggers that are the same as before are not disturbed.

        Raises:
            StartError: as for `start`.
        """

    async def stop(self) -> None:
        """Wake no more functions, whether it has been started or not."""


class Unserved(Running):
    """Says once that triggers of a kind are not served here, if the template has any."""

    def __init__(self, kind: type[Trigger], reason: str, say: Callable[[str], None]) -> None:
        self._kind = kind
        self._reason = reason
        self._say = say
        self._said = False

    async def start(self, stack: Stack) -> None:
        if stack.triggers_of(self._kind) and not self._said:
            self._said = True
            self._say(self._reason)

    async def update(self, stack: Stack) -> None:
        await self.start(stack)

    async def stop(self) -> None:
        pass


async def nothing_to_wait_for() -> None:
    pass


class Source(Protocol):
    """One kind of thing that wakes functions.

    It holds no state: what it says of a stack it says by reading it. Only what `open` gives runs.
    A source overrides what is not as here.
    """

    trigger: ClassVar[type[Trigger] | None] = None
    """The kind of its triggers; None where it has none in `Stack.triggers`."""

    samples: ClassVar[Sequence[Sample]] = ()
    """The events that `lampwork generate-event` makes of it."""

    def read(self, template: Template, functions: FunctionNames) -> Iterable[Trigger]:
        """Its triggers in a template; each resource that it reads it claims.

        Raises:
            TemplateError: AWS would refuse one.
        """
        return ()

    def resources(self, triggers: Sequence[Trigger]) -> Iterable[CloudResource]:
        """What the embedded AWS must have for these of its triggers."""
        return ()

    def ways_in(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[WayIn]:
        """What it wakes, each with its kind and a name."""
        return iter(())

    def narrowed(self, stack: Stack, keeps: Keeps) -> Stack:
        """The stack without those of its triggers whose function is not kept."""
        if self.trigger is None:
            return stack
        left = (
            each
            for each in stack.triggers
            if not isinstance(each, self.trigger) or keeps(each.function)
        )
        return replace(stack, triggers=tuple(left))

    def open(self, surroundings: Surroundings) -> Running | None:
        """What wakes the functions; None where the source does not run by itself."""
        return None

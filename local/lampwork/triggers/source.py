"""The interface of the sources that invoke functions without a request: queues, streams, schedules,
topics and others.

To add a source, write a module with a subclass of `Source`, and add a line to
`lampwork.triggers.registry`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from lampwork.errors import StartError
from lampwork.invocation.port import Invoker
from lampwork.metrics.metrics import Metrics
from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import CloudResource, Stack, Trigger
from lampwork.stack.narrowing import Keeps
from lampwork.template.resource import Template
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.samples import Sample


class EmbeddedAws(Protocol):
    """The emulated AWS that runs beside the functions."""

    @property
    def url(self) -> str: ...

    @property
    def address(self) -> tuple[str, int]: ...

    @property
    def has_started(self) -> bool:
        """Whether it has begun to load, because something needed it."""
        ...

    async def needed(self) -> None:
        """Wait until something has needed it."""
        ...

    async def loaded(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source needs in order to run.

    `say` prints a message for the user. `intervals` are seconds between firings, by a schedule's
    logical id or name; they replace the template's expression. `time_scale` shortens pauses: 0.1
    makes a minute six seconds. With `testing`, nothing happens by itself at the start.
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
    testing: bool = False

    async def aws_has_loaded(self) -> None:
        """Wait until the embedded AWS has loaded, if it has begun to.

        Raises:
            StartError: it ended before it had loaded.
        """
        if self.aws is not None and self.aws.has_started:
            await self.aws.loaded()

    async def aws_is_used(self) -> None:
        """Wait until something uses the embedded AWS, and it has loaded."""
        if self.aws is not None:
            await self.aws.needed()
            with suppress(StartError):  # its log says why it ended
                await self.aws.loaded()


@dataclass(frozen=True, slots=True)
class ReadQueue:
    """A queue that a source reads. `resting` are the messages that wait for their next try, by
    their ids, with how often each has been received; None if that does not matter."""

    name: str
    resting: Mapping[str, int | None] = field(default_factory=dict)


class RunningSource(Protocol):
    """A source that invokes functions until it is stopped."""

    async def start(self, stack: Stack) -> None:
        """Serve the triggers of a stack.

        Raises:
            StartError: a service that it needs does not answer yet; call `start` again later.
        """

    async def update(self, stack: Stack) -> None:
        """Go on with the stack of a saved template. Triggers that have not changed are not
        disturbed.

        Raises:
            StartError: a service that it needs does not answer.
        """

    async def stop(self) -> None:
        """Stop invoking functions. May be called before `start`."""

    def read_queues(self) -> Iterator[ReadQueue]:
        """The queues that it reads now."""
        return iter(())

    async def begin_anew(self) -> None:
        """Forget what has been, as far as it decides about what comes."""
        return None


class Unserved(RunningSource):
    """Stands in for a source that cannot run here: says once, with `reason`, that its triggers are
    not served, if the template has any."""

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
    """One kind of source that invokes functions, such as queues.

    It has no state: its methods only read the template or the stack that they are given. `open`
    returns the part that runs. A subclass overrides the methods whose default does not fit.
    """

    trigger: ClassVar[type[Trigger] | None] = None
    """The class of its triggers in `Stack.triggers`; None if it has none there."""

    samples: ClassVar[Sequence[Sample]] = ()
    """Its events for `lampwork generate-event`."""

    def read(self, template: Template, functions: FunctionNames) -> Iterable[Trigger]:
        """Read its triggers from a template, and claim each resource that it reads.

        Raises:
            TemplateError: AWS would refuse a trigger.
        """
        return ()

    def resources(self, triggers: Sequence[Trigger]) -> Iterable[CloudResource]:
        """The resources that the embedded AWS must have for these triggers."""
        return ()

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
        """The entry points of a stack that belong to this source.

        `intervals` are those of `SourceContext`.
        """
        return iter(())

    def narrowed(self, stack: Stack, keeps: Keeps) -> Stack:
        """The stack without those triggers of this source whose function `keeps` rejects."""
        if self.trigger is None:
            return stack
        left = (
            each
            for each in stack.triggers
            if not isinstance(each, self.trigger) or keeps(each.function)
        )
        return replace(stack, triggers=tuple(left))

    def open(self, context: SourceContext) -> RunningSource | None:
        """The running part of the source, not started yet; None if it has none of its own."""
        return None

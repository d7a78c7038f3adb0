from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lampwork.front.server import Front
from lampwork.runtime.functions import Functions
from lampwork.stack.model import Stack
from lampwork.triggers.running_sources import RunningSources
from lampwork.triggers.source import EmbeddedAws, Source


@dataclass(frozen=True, slots=True)
class Subject:
    """What the console looks into. `stack` and `intervals` are as last read: they change with the
    template and the configuration."""

    stack: Callable[[], Stack]
    functions: Functions
    front: Front
    running: Callable[[], RunningSources]
    sources: Sequence[Source] = ()
    intervals: Callable[[], Mapping[str, float]] = field(default=dict)
    aws: EmbeddedAws | None = None
    region: str = "us-east-1"

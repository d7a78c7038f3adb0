"""All that wakes functions here, in the order in which it is listed."""

from collections.abc import Sequence
from typing import Final

from lampwork.triggers.asynchronous.receiver import AsynchronousSource
from lampwork.triggers.mappings.sqs import QueueSource
from lampwork.triggers.mappings.streams import StreamSource
from lampwork.triggers.schedules import ScheduleSource
from lampwork.triggers.source import Source
from lampwork.triggers.targets.buckets import BucketSource
from lampwork.triggers.targets.rules import RuleSource
from lampwork.triggers.targets.topics import TopicSource

SOURCES: Final[Sequence[Source]] = (
    QueueSource(),
    StreamSource(),
    ScheduleSource(),
    BucketSource(),
    RuleSource(),
    TopicSource(),
    AsynchronousSource(),
)

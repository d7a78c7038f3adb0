"""The sources that invoke functions, in the order in which they are listed to the user."""

from collections.abc import Sequence
from typing import Final

from lampwork.triggers.asynchronous.service_events import ServiceEventSource
from lampwork.triggers.mappings.sqs import QueueSource
from lampwork.triggers.mappings.streams import StreamSource
from lampwork.triggers.pipes.pipes import PipeSource
from lampwork.triggers.schedules import ScheduleSource
from lampwork.triggers.source import Source
from lampwork.triggers.state_machines import StateMachineSource
from lampwork.triggers.targets.buckets import BucketSource
from lampwork.triggers.targets.rules import RuleSource
from lampwork.triggers.targets.topics import TopicSource
from lampwork.triggers.targets.user_pools import UserPoolSource

SOURCES: Final[Sequence[Source]] = (
    QueueSource(),
    StreamSource(),
    ScheduleSource(),
    BucketSource(),
    RuleSource(),
    TopicSource(),
    PipeSource(),
    UserPoolSource(),
    StateMachineSource(),
    ServiceEventSource(),
)

"""The rooms, in the order of the navigation."""

from lampwork.console.aws.buckets import Buckets
from lampwork.console.aws.client import Aws
from lampwork.console.aws.parameters import Parameters
from lampwork.console.aws.queues import Queues
from lampwork.console.aws.tables import Tables
from lampwork.console.aws.topics import Topics
from lampwork.console.invocations.invocations import Invocations
from lampwork.console.room import Room
from lampwork.console.rooms.environments import Environments
from lampwork.console.rooms.gaps import Gaps
from lampwork.console.rooms.home import Home
from lampwork.console.rooms.resource_map import ResourceMap
from lampwork.console.rooms.routes import Routes
from lampwork.console.rooms.schedules import Schedules
from lampwork.console.rooms.sockets import Sockets
from lampwork.console.subject import Subject


def rooms_of(subject: Subject) -> list[Room]:
    aws = Aws(subject)
    return [
        Home(subject),
        Invocations(subject),
        Routes(subject),
        Sockets(subject),
        Schedules(subject),
        Environments(subject),
        Queues(subject, aws),
        Topics(subject, aws),
        Tables(subject, aws),
        Buckets(subject, aws),
        Parameters(subject, aws),
        ResourceMap(subject),
        Gaps(subject),
    ]

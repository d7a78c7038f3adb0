"""The rooms, in the order of the navigation."""

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
    return [
        Home(subject),
        Routes(subject),
        Sockets(subject),
        Schedules(subject),
        Environments(subject),
        ResourceMap(subject),
        Gaps(subject),
    ]

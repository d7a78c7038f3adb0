from typing import ClassVar, Protocol

from lampwork.console.asking import Answered, Ask, Refused
from lampwork.console.html import Html


class Room(Protocol):
    """A page of the console and what can be done there. `name` is its path; `group` is where the
    navigation lists it."""

    name: ClassVar[str]
    title: ClassVar[str]
    group: ClassVar[str]

    async def show(self, ask: Ask) -> Html | Answered:
        """The page's main part, or a download.

        Raises:
            Refused: what is asked for does not exist.
        """

    async def act(self, ask: Ask) -> Answered:
        """Do what the form's field `do` names.

        Raises:
            Refused: it cannot be done.
        """
        raise Refused("Nothing can be done here.")

"""What the runtime asks of whoever installs the packages that functions need."""

from typing import Protocol

from lampwork.errors import StartError
from lampwork.stack.model import Function


class NotInstalled(StartError):
    """A function's packages cannot be installed, so it cannot start."""


class Packages(Protocol):
    def are_installed(self, function: Function) -> bool:
        """Whether `install` has nothing to do."""
        ...

    async def install(self, function: Function) -> None:
        """Install what this function needs and is not there yet.

        Raises:
            NotInstalled: the message says why.
        """
        ...


class NoPackages:
    """For functions that ask for none, or whose packages are there."""

    def are_installed(self, function: Function) -> bool:
        return True

    async def install(self, function: Function) -> None:
        pass

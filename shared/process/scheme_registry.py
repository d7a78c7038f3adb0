from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, TypeVar, cast

from shared.errors import SettingsError

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class SchemeRegistry(Generic[T_co]):
    """What a setting may choose, by the scheme of its URL.

    Factories are named as `module:name`, so that only the libraries of the chosen one are loaded.
    """

    variable: str
    noun: str
    factories: dict[str, str]

    def factory(self, scheme: str) -> Callable[..., T_co]:
        """The factory of this scheme.

        Raises:
            SettingsError: the scheme is unknown.
        """
        if scheme not in self.factories:  # the URL itself may hold a secret
            known = ", ".join(f"{each}://" for each in sorted(self.factories))
            raise SettingsError(f"{self.variable}: no such {self.noun}; known are {known}")
        return cast(Callable[..., T_co], named(self.factories[scheme]))


def named(dotted_name: str) -> object:
    """Import the module and return what `module:name` names in it."""
    module, name = dotted_name.split(":")
    return cast(object, getattr(import_module(module), name))

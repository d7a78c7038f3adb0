from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, TypeVar, cast

from shared.errors import SettingsError

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class SchemeRegistry(Generic[T_co]):
    """What a setting may choose from by the scheme of its URL.

    Factories stand here as `module:name`, so that only the chosen one's libraries are loaded.
    """

    variable: str
    noun: str
    factories: dict[str, str]

    def factory(self, scheme: str) -> Callable[..., T_co]:
        """What makes the one of this scheme.

        Raises:
            SettingsError: there is none of this scheme.
        """
        if scheme not in self.factories:  # the URL itself may hold a secret
            known = ", ".join(f"{each}://" for each in sorted(self.factories))
            raise SettingsError(f"{self.variable}: no such {self.noun}; known are {known}")
        return cast(Callable[..., T_co], named(self.factories[scheme]))


def named(dotted_name: str) -> object:
    """What `module:name` names, once its module is imported."""
    module, name = dotted_name.split(":")
    return cast(object, getattr(import_module(module), name))

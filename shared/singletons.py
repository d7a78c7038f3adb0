from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_cached: list[Any] = []


def singleton(make: Callable[P, R]) -> Callable[P, R]:
    """What a process makes at most once and keeps: settings, the engine, clients."""
    cached = cache(make)
    _cached.append(cached)
    return cached  # type: ignore[return-value]  # lru_cache's own type forgets the parameters


def forget_singletons() -> None:
    """Make everything anew at its next use; tests do this when they change the environment."""
    for cached in _cached:
        cached.cache_clear()

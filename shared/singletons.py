from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_cached: list[Any] = []


def singleton(make: Callable[P, R]) -> Callable[P, R]:
    """Let a process make this at most once and keep it: settings, the engine, clients."""
    cached = cache(make)
    _cached.append(cached)
    return cached  # type: ignore[return-value]  # lru_cache's own type forgets the parameters


def forget_singletons() -> None:
    """Let everything be made anew at its next use; tests call this when they change settings."""
    for cached in _cached:
        cached.cache_clear()

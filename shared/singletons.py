from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

T = TypeVar("T")

_cached: list[Any] = []
_closed_by: list[tuple[Any, Callable[[Any], Awaitable[None]]]] = []


def singleton(make: Callable[P, R]) -> Callable[P, R]:
    """Let a process make this at most once and keep it: settings, the engine, clients."""
    cached = cache(make)
    _cached.append(cached)
    return cached  # type: ignore[return-value]  # lru_cache's own type forgets the parameters


def closed_by(made: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
    """Have a singleton with connections closed before it is made anew."""
    _closed_by.append((made, close))


async def make_anew() -> None:
    """Let everything be made anew at its next use, and close what has connections. No request may
    be under way."""
    for made, close in _closed_by:
        if made.cache_info().currsize:
            await close(made())
    forget_singletons()


def forget_singletons() -> None:
    """Let everything be made anew at its next use; tests call this when they change settings."""
    for cached in _cached:
        cached.cache_clear()

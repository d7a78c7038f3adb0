import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from lampwork.runtime.admission.fair_line import Demand, admit
from lampwork.runtime.admission.machine import Machine

MEBIBYTE: Final = 1024 * 1024
# What stays free beside the environments, for what they and other programs take meanwhile: of all
# memory this part, and no more than so much. The first environment of a function may use half.
FREE_PART: Final = 8
MOST_FREE: Final = 256 * MEBIBYTE
# Looking at processes takes time from those that compute: no more than this part of it.
LOOKING_PART: Final = 0.2
# A function that has several environments needs one that was idle for as long less than another
# function does that starts one.
SURPLUS_SECONDS: Final = 1


class Claimant(Protocol):
    """Something that holds environments: a function's pool."""

    @property
    def size(self) -> int: ...

    @property
    def reserved(self) -> int:
        """How many it may have in any case: its reserved concurrency, or 0."""
        ...

    @property
    def needs_more(self) -> bool:
        """Whether more requests wait than environments are starting."""
        ...

    @property
    def idle_since(self) -> float | None:
        """When its longest idle environment was last used, or None if none is idle."""
        ...

    @property
    def surplus_since(self) -> float | None:
        """The same, or None if it has no other environment besides that."""
        ...

    @property
    def memory(self) -> int:
        """Bytes that one of its environments is likely to hold."""
        ...

    @property
    def starting(self) -> int:
        """How many of its environments have yet to load the function."""
        ...

    @property
    def has_waiting(self) -> bool:
        """Whether requests wait for an environment."""
        ...

    def demand(self) -> Demand:
        """What it has and wants now."""
        ...

    def grow(self) -> None:
        """Start another environment, if it is still needed and there is room."""
        ...

    def end_longest_idle(self) -> None:
        """End its longest idle environment."""
        ...

    def refuse_overdue(self) -> None:
        """Refuse requests that have waited for too long."""
        ...


class Capacity:
    """The environments that this machine may have, shared by all functions.

    As long as requests wait, it looks every `look_seconds` whether another environment would help,
    and tells those functions to `grow` that come first. Memory must be left for one, and there are
    `limit` at most: an environment of another function that is idle ends for one that is needed,
    and even where there is room, if that function has several.

    One function may have three quarters of the limit, or as many as are reserved for it: requests
    that wait for long would otherwise leave no room for any other function. A function that was
    refused one is told by `grow` when there is room; the first refused comes first.
    """

    def __init__(
        self,
        limit: int,
        look_seconds: float,
        machine: Machine | None = None,
        clock: Callable[[], float] = time.monotonic,  # the event loop's
    ) -> None:
        self.limit = limit
        self.share = limit - limit // 4
        self.machine = machine or Machine()
        self._look_seconds = look_seconds
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._used = 0
        self._members: list[Claimant] = []
        self._refused: list[Claimant] = []
        memory = self.machine.memory()
        self._free = MOST_FREE if memory is None else min(memory // FREE_PART, MOST_FREE)

    def join(self, member: Claimant) -> None:
        self._members.append(member)

    def leave(self, member: Claimant) -> None:
        self._members.remove(member)
        if member in self._refused:
            self._refused.remove(member)

    def look_soon(self) -> None:
        """Requests wait: look whether more environments would help them."""
        if self._timer is None:
            self._look_in(self._look_seconds)

    def acquire(self, member: Claimant) -> bool:
        """Count one more environment if there is room.

        If not, returns False, ends the environment that has been idle longest, and calls
        `member.grow()` once there is room.
        """
        may_have_more = self.may_have_more(member)
        if may_have_more and self._used < self.limit and self._has_memory(member):
            self._used += 1
            self._end_surplus_of_another(member)
            return True
        if member not in self._refused:
            self._refused.append(member)
        if may_have_more:
            self._end_longest_idle_of_all()
        return False

    def may_have_more(self, member: Claimant) -> bool:
        """Whether a member has less than one function may have."""
        return member.size < max(self.share, member.reserved)

    def is_full(self, member: Claimant) -> bool:
        """Whether a limit, not memory, keeps a member from having more."""
        return self._used >= self.limit or not self.may_have_more(member)

    def release(self) -> None:
        self._used -= 1
        for _ in range(len(self._refused)):
            member = self._next_in_line()
            if self._used >= self.limit or member is None:
                break
            self._refused.remove(member)
            member.grow()
            if member.needs_more and member not in self._refused:
                self._refused.append(member)

    def has_refused(self, member: Claimant) -> bool:
        return member in self._refused

    def must_yield(self, member: Claimant) -> bool:
        """Whether `member` must end an environment it has just finished with, for another function.

        A member that needs more keeps it, unless another member has none at all.
        """
        if not self._refused:
            return False
        others = [
            other
            for other in self._refused
            if other is not member and other.needs_more and self.may_have_more(other)
        ]
        if member.needs_more:
            return member.size > 1 and any(other.size == 0 for other in others)
        return bool(others)

    def _look_in(self, seconds: float) -> None:
        # One turn of the loop later: the answers read in this turn may free environments.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, loop.call_soon, self._look)

    def _look(self) -> None:
        self._timer = None
        began = time.perf_counter()
        for member in self._members:
            member.refuse_overdue()
        if not any(member.has_waiting for member in self._members):
            return
        if any(member.needs_more for member in self._members):
            members = list(self._members)
            for number in admit([member.demand() for member in members], self.machine.cores):
                members[number].grow()
        took = time.perf_counter() - began
        self._look_in(max(self._look_seconds, took / LOOKING_PART))

    def _has_memory(self, member: Claimant) -> bool:
        """Whether the memory suffices for another environment of this function.

        The first one of a function that waits for others may not wait for memory too, unless some
        is about to be freed: whoever called it would never end.
        """
        available = self.machine.available_memory()
        if available is None:
            return True
        starting = sum(each.memory * each.starting for each in self._members)
        left = available - starting - member.memory
        if member.size:
            return left >= self._free
        return left >= self._free // 2 or self._longest_idle() is None

    def _next_in_line(self) -> Claimant | None:
        """The first refused member that may have more, or the first of those that have no
        environment at all."""
        starving = (member for member in self._refused if member.size == 0 and member.needs_more)
        return next(starving, None) or next(filter(self.may_have_more, self._refused), None)

    def _end_longest_idle_of_all(self) -> None:
        if (member := self._longest_idle()) is not None:
            member.end_longest_idle()

    def _end_surplus_of_another(self, member: Claimant) -> None:
        latest = self._clock() - SURPLUS_SECONDS
        surplus = [
            (since, number)
            for number, other in enumerate(self._members)
            if other is not member and (since := other.surplus_since) is not None
        ]
        if surplus and min(surplus)[0] <= latest:
            self._members[min(surplus)[1]].end_longest_idle()

    def _longest_idle(self) -> Claimant | None:
        idle = [
            (since, number)
            for number, member in enumerate(self._members)
            if (since := member.idle_since) is not None
        ]
        return self._members[min(idle)[1]] if idle else None

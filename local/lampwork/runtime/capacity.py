from typing import Protocol


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

    def grow(self) -> None:
        """Acquire the environment that was refused before, if it is still needed."""
        ...

    def end_longest_idle(self) -> None:
        """End its longest idle environment."""
        ...


class Capacity:
    """The environments this machine may have, at most `limit`, shared by all functions.

    One function may have three quarters of them, or as many as are reserved for it: requests that
    wait for long would otherwise leave no room for any other function. A function that was refused
    one is told by `grow` when there is room; the first refused comes first.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.share = limit - limit // 4
        self._used = 0
        self._members: list[Claimant] = []
        self._refused: list[Claimant] = []

    def join(self, member: Claimant) -> None:
        self._members.append(member)

    def leave(self, member: Claimant) -> None:
        self._members.remove(member)

    def acquire(self, member: Claimant) -> bool:
        """Count one more environment if there is room.

        If not, returns False, ends the environment that has been idle longest, and calls
        `member.grow()` once there is room.
        """
        may_have_more = self.may_have_more(member)
        if may_have_more and self._used < self.limit:
            self._used += 1
            return True
        if member not in self._refused:
            self._refused.append(member)
        if may_have_more:
            self._end_longest_idle_of_all()
        return False

    def may_have_more(self, member: Claimant) -> bool:
        """Whether a member has less than one function may have."""
        return member.size < max(self.share, member.reserved)

    def release(self) -> None:
        self._used -= 1
        while self._used < self.limit and (member := self._next_in_line()) is not None:
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

    def _next_in_line(self) -> Claimant | None:
        """The first refused member that may have more, or the first of those that have no
        environment at all."""
        starving = (member for member in self._refused if member.size == 0 and member.needs_more)
        return next(starving, None) or next(filter(self.may_have_more, self._refused), None)

    def _end_longest_idle_of_all(self) -> None:
        idle = [
            (since, member) for member in self._members if (since := member.idle_since) is not None
        ]
        if idle:
            min(idle, key=lambda each: each[0])[1].end_longest_idle()

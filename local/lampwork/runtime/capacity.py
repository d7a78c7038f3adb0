from typing import Protocol


class Claimant(Protocol):
    """Whoever keeps environments: a function's pool."""

    @property
    def size(self) -> int: ...

    @property
    def in_need(self) -> bool:
        """Whether requests wait for more environments than are being started."""
        ...

    @property
    def idle_since(self) -> float | None:
        """When its longest idle environment was last used; None if none is idle."""
        ...

    def grow(self) -> None:
        """Take what was refused before, if it is still needed."""
        ...

    def give_up_idle(self) -> None:
        """End its longest idle environment."""
        ...


class Capacity:
    """How many environments this machine may have, shared by all functions in their turn."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._members: list[Claimant] = []
        self._refused: list[Claimant] = []

    def join(self, member: Claimant) -> None:
        self._members.append(member)

    def leave(self, member: Claimant) -> None:
        self._members.remove(member)

    def take(self, member: Claimant) -> bool:
        """One more environment. If refused, the longest idle one ends, and `grow` follows later."""
        if self._used < self.limit:
            self._used += 1
            return True
        if member not in self._refused:
            self._refused.append(member)
        self._end_longest_idle()
        return False

    def release(self) -> None:
        self._used -= 1
        while self._refused and self._used < self.limit:
            member = self._next()
            self._refused.remove(member)
            member.grow()
            if member.in_need and member not in self._refused:
                self._refused.append(member)

    def refuses(self, member: Claimant) -> bool:
        return member in self._refused

    def claims_from(self, member: Claimant) -> bool:
        """Whether an environment that `member` is done with must make room for another function.

        One that is in need itself keeps it, unless the other has none at all.
        """
        if not self._refused:
            return False
        others = [other for other in self._refused if other is not member and other.in_need]
        if member.in_need:
            return member.size > 1 and any(other.size == 0 for other in others)
        return bool(others)

    def _next(self) -> Claimant:
        """The first of those refused; one that has no environment at all goes before the others."""
        starving = (member for member in self._refused if member.size == 0 and member.in_need)
        return next(starving, self._refused[0])

    def _end_longest_idle(self) -> None:
        idle = [
            (since, member) for member in self._members if (since := member.idle_since) is not None
        ]
        if idle:
            min(idle, key=lambda each: each[0])[1].give_up_idle()

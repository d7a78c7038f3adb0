from dataclasses import dataclass
from typing import Protocol

from passlib.context import CryptContext

from shared.security.hashing_capacity import HashingCapacity
from shared.singletons import singleton

# OWASP Password Storage Cheat Sheet: the least costly argon2id setting that it recommends.
ARGON2 = {
    "argon2__type": "ID",
    "argon2__memory_cost": 19456,
    "argon2__time_cost": 2,
    "argon2__parallelism": 1,
}
# The hash of a random text that was not kept. Checking it takes as long as checking a real hash.
UNMATCHABLE = (
    "$argon2id$v=19$m=19456,t=2,p=1$CqFUyvmfszZmjPEeo1SqtQ"
    "$hPBY8zp9Wlzf4LOI1+Vc1sgS4CBUreJfNxsEgHQJFtY"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`better_hash` is what to store instead, if the stored hash has outdated parameters."""

    correct: bool
    better_hash: str | None = None


class PasswordHasher(Protocol):
    """Both raise Unavailable when more passwords wait than can be checked in time."""

    async def hash(self, password: str) -> str:
        """A hash to store, with a salt of its own."""
        ...

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Whether the hash is of this password.

        Takes the same time without a hash, and with an unreadable one; neither matches anything.
        """
        ...


class Argon2Hasher:
    """Hashes in a thread, so that the event loop continues."""

    def __init__(self) -> None:
        self._context = CryptContext(schemes=["argon2"], **ARGON2)
        self._capacity = HashingCapacity()

    async def hash(self, password: str) -> str:
        hashed: str = await self._capacity.run(self._context.hash, password)
        return hashed

    async def verify(self, password: str, stored: str | None) -> Verdict:
        return await self._capacity.run(self._verify, password, stored)

    def _verify(self, password: str, stored: str | None) -> Verdict:
        try:
            correct, better_hash = self._context.verify_and_update(password, stored or UNMATCHABLE)
        except ValueError:  # the hash is of no format known here, or damaged
            self._context.verify(password, UNMATCHABLE)
            return Verdict(correct=False)
        return Verdict(correct and stored is not None, better_hash)


@singleton
def password_hasher() -> PasswordHasher:
    return Argon2Hasher()

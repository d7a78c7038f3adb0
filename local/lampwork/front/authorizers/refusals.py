from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The caller may not. `challenge` is the WWW-Authenticate that says why, if one does."""

    def __init__(self, challenge: str | None = None) -> None:
        super().__init__(challenge)
        self.challenge = challenge


class Unauthenticated(Refused):
    """Who calls is not known."""


class Denied(Refused):
    """Who calls is known and may not; `explicit` where a policy says Deny."""

    def __init__(self, challenge: str | None = None, *, explicit: bool = False) -> None:
        super().__init__(challenge)
        self.explicit = explicit


class AuthorizerFailed(Exception):
    """The authorizer itself failed: an error, a time-out or an answer of no known form."""


@dataclass(slots=True)
class Kept:
    """Answers of an authorizer by what was asked, each for its time."""

    seconds: float
    _answers: dict[Any, tuple[float, Any]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self._answers)

    def get(self, key: Any, now: float) -> Any:
        until, answer = self._answers.get(key, (0.0, None))
        return answer if now < until else None

    def put(self, key: Any, now: float, answer: Any) -> None:
        if self.seconds:
            if len(self._answers) >= MAX_KEPT:
                self._forget_old(now)
            self._answers[key] = (now + self.seconds, answer)

    def _forget_old(self, now: float) -> None:
        fresh = {key: kept for key, kept in self._answers.items() if now < kept[0]}
        self._answers = fresh if len(fresh) < MAX_KEPT else {}


# Callers choose the keys: what is kept must not grow with them.
MAX_KEPT = 10_000

import json
import logging
import time
from collections.abc import Callable, Mapping

# A server that refuses our password has it read again, but not with every request.
DOUBT_SECONDS = 10.0
# How soon a store that gave no answer is asked again; until then the process works as before.
RETRY_SECONDS = 30.0

logger = logging.getLogger(__name__)


class SecretUnreadable(Exception):
    """The secret cannot be read, or holds no variables; the text shows nothing of it."""


class SecretStore:
    """The variables that a secret holds, read once and read again after `ttl_seconds`.

    `read` returns the secret's text, or raises SecretUnreadable.
    """

    def __init__(
        self,
        read: Callable[[], str],
        *,
        ttl_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._ttl = ttl_seconds
        self._clock = clock
        self._variables: Mapping[str, str] | None = None
        self._read_at = 0.0
        self._due = 0.0

    def variables(self) -> Mapping[str, str]:
        """What the secret held when it was last read.

        Raises:
            SecretUnreadable: it has not been read yet, and cannot be.
        """
        if self._variables is None:
            return self._take(parse(self._read()))
        return self._variables

    def has_changed(self) -> bool:
        """Whether the secret holds other variables than those given out so far. It is read again
        only when its time has come; if that fails, what is known stays in use."""
        if self._variables is None or self._clock() < self._due:
            return False
        try:
            found = parse(self._read())
        except SecretUnreadable as error:
            self._due = self._clock() + RETRY_SECONDS
            logger.warning("The secret could not be read again", extra={"reason": str(error)})
            return False
        changed = found != self._variables
        self._take(found)
        return changed

    def doubt(self) -> None:
        """A server has refused what the secret says: read it again before the next request."""
        self._due = min(self._due, self._read_at + DOUBT_SECONDS)

    def _take(self, variables: Mapping[str, str]) -> Mapping[str, str]:
        self._variables = variables
        self._read_at = self._clock()
        self._due = self._read_at + self._ttl
        return variables


def parse(text: str) -> dict[str, str]:
    """The variables in a secret's JSON; a value that is an object or a list becomes its own text.

    Raises:
        SecretUnreadable: the text is no JSON object.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise SecretUnreadable("it must hold a JSON object, with a member for each variable")
    return {name: _as_text(value) for name, value in document.items() if value not in (None, "")}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)

import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.persistence.state_file import StateFile
from lampwork.http.internal_paths import UNSIGNED

Changes = Mapping[str, bytes | None]
"""New values by key; None removes the key."""


class Keeper(Protocol):
    """Stores a part of moto's state."""

    def load(self, state: StateFile) -> None:
        """Load the stored state into moto. From then on, note what requests touch."""

    def changes(self, request: "Request") -> Changes:
        """What the request that is ending in this thread has changed."""


class Request:
    """Facts from the head of a request to AWS.

    `service` and `region` are those for which the request is signed; of an unsigned one, `service`
    is that of the user pool's operation, which needs no signature, or "", and `region` is "".
    `operation` is the operation's name in AWS's JSON protocols, or "" in others.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        signature = environ.get("HTTP_AUTHORIZATION") or unquote(environ.get("QUERY_STRING", ""))
        scope = signature.partition("Credential=")[2].split("/")
        self.service = scope[3] if len(scope) > 3 else ""
        self.region = scope[2] if len(scope) > 3 else ""
        self.method = environ["REQUEST_METHOD"]
        # When the bucket is in the host name, this misses keys without a slash.
        self.names_an_object = "/" in environ["PATH_INFO"].strip("/")
        target, _, self.operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")
        self.service = self.service or UNSIGNED.get(target, "")


class Touched:
    """What the request in this thread has touched. `take` yields it and forgets it."""

    def __init__(self) -> None:
        self._local = threading.local()

    def add(self, what: Hashable) -> None:
        self._set().add(what)

    def take(self) -> Iterator[Hashable]:
        touched = self._set()
        while touched:
            yield touched.pop()

    def _set(self) -> set[Hashable]:
        if not hasattr(self._local, "touched"):
            self._local.touched = set()
        touched: set[Hashable] = self._local.touched
        return touched


class KeptState:
    """Writes the changes of a request to moto into a file before the request is answered."""

    def __init__(self, app: WSGIApplication, state: StateFile, keepers: Sequence[Keeper]) -> None:
        self._app = app
        self._state = state
        self._keepers = keepers
        self._writing = threading.Lock()

    def load(self) -> None:
        for keeper in self._keepers:
            keeper.load(self._state)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answer = self._app(environ, start)
        request = Request(environ)
        with self._writing:
            for keeper in self._keepers:
                self._state.write(keeper.changes(request))
        return answer

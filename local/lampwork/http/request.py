from dataclasses import dataclass


@dataclass(slots=True)
class Request:
    """A request as received: text is latin-1, headers keep their case and order.

    `route` is the template's route that serves it, once a gateway has found it. A client of
    HTTP/1.0 does not know chunks (RFC 9112 §7.1).
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: tuple[str, int]
    secure: bool
    route: str | None = None
    knows_chunks: bool = True
    _first: dict[str, str] | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of this name, in any case."""
        if self._first is None:
            self._first = {key.lower(): value for key, value in reversed(self.headers)}
        return self._first.get(name.lower())

"""Changes the requests and answers of an HTTP API's route as its parameter mapping says.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from lampwork.front.http.service_calls import value_of
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.stack.parameter_mapping import ParameterMapping

Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class ParameterChanges:
    """The mapping of one request, which `event` tells as payload format 2.0 does. A parameter whose
    source is not there is left as it is."""

    mapping: ParameterMapping
    event: Mapping[str, Any]

    def of_query(self, query: str) -> str:
        changes = self._changes(self.mapping.request, "querystring.")
        if not changes:
            return query
        pairs = parse_qsl(query, keep_blank_values=True)
        return urlencode(_changed(pairs, changes, exact=True), quote_via=quote)

    def of_headers(self, headers: Pairs) -> Pairs:
        return _changed(headers, self._changes(self.mapping.request, "header."), exact=False)

    @property
    def path(self) -> str | None:
        """The path that replaces the request's; None if it stays."""
        source = self.mapping.request.get("overwrite:path")
        path = None if source is None else value_of(source, self.event)
        return None if path is None else quote("/" + path.lstrip("/"), safe="/%:@+,;=!$&'()*~")

    def of_request(self, request: Request) -> Request:
        query = self.of_query(request.query)
        target = (self.path or request.path) + (f"?{query}" if query else "")
        return replace(
            request, target=target, headers=self.of_headers(request.headers), _first=None
        )

    def of_response(self, response: Response) -> Response:
        wanted = self.mapping.responses.get(str(response.status))
        if not wanted:
            return response
        told = {
            "headers": joined(response.headers),
            "body": response.body.decode("utf-8", "replace"),
        }
        event = {**self.event, "response": told}
        headers = _changed(response.headers, self._changes(wanted, "header.", event), exact=False)
        source = wanted.get("overwrite:statuscode")
        status = value_of(source, event) if source else None
        return Response(
            int(status) if status and status.isdigit() else response.status,
            headers,
            response.body,
        )

    def _changes(
        self, wanted: Mapping[str, str], place: str, event: Mapping[str, Any] | None = None
    ) -> list[tuple[str, str, str | None]]:
        """The actions on the headers or on the query, each with a name and its value."""
        found = []
        for key, source in wanted.items():
            action, _, where = key.partition(":")
            if where.startswith(place):
                value = value_of(source, event or self.event)
                found.append((action, where.removeprefix(place), value))
        return found


def _changed(pairs: Pairs, changes: Iterable[tuple[str, str, str | None]], *, exact: bool) -> Pairs:
    changed = list(pairs)
    for action, name, value in changes:
        if action != "remove" and value is None:
            continue
        if action != "append":
            changed = [pair for pair in changed if not _same(pair[0], name, exact=exact)]
        if action != "remove" and value is not None:
            changed.append((name, value))
    return changed


def _same(one: str, other: str, *, exact: bool) -> bool:
    return one == other or (not exact and one.lower() == other.lower())


def joined(headers: Pairs) -> dict[str, str]:
    """One value for each name, as it is written first; several are separated by commas."""
    names: dict[str, str] = {}
    values: dict[str, str] = {}
    for name, value in headers:
        first = names.setdefault(name.lower(), name)
        values[first] = f"{values[first]},{value}" if first in values else value
    return values

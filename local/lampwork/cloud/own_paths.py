import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.creation.create import create, create_reader
from lampwork.cloud.in_process import Clients
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.cloud.reference_values import resolve
from lampwork.cloud.table_streams import remove_reader
from lampwork.http.internal_paths import READERS, REFERENCES, RESOURCES
from lampwork.stack.model import CloudResource


class OwnPaths:
    """The paths through which the emulator controls the server; AWS's API has no such paths.

    POST /_lampwork/resources creates what the resources file now lists. POST /_lampwork/references
    takes a JSON list of dynamic references and answers with an object of their values.
    POST /_lampwork/readers creates the queue of a mapping that reads a stream, or deletes it:
    {"add": resource} or {"remove": queue}.
    """

    def __init__(
        self, app: WSGIApplication, state: StateFile, resources: Path, region: str
    ) -> None:
        self._app = app
        self._state = state
        self._resources = resources
        self._clients = Clients(app, region)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case path if path == RESOURCES:
                self.create_resources()
                return _json(start, {})
            case path if path == REFERENCES:
                length = int(environ["CONTENT_LENGTH"])
                references = json.loads(environ["wsgi.input"].read(length))
                return _json(start, resolve(references, self._clients))
            case path if path == READERS:
                length = int(environ["CONTENT_LENGTH"])
                self._change_readers(json.loads(environ["wsgi.input"].read(length)))
                return _json(start, {})
            case _:
                return self._app(environ, start)

    def _change_readers(self, wanted: Mapping[str, Any]) -> None:
        if added := wanted.get("add"):
            create_reader(self._clients, CloudResource(**added))
        else:
            remove_reader(self._clients, {"queue": wanted["remove"]})

    def create_resources(self) -> None:
        """Create the listed resources that are new or have changed, as `create` does.

        A resource that AWS would refuse is skipped, and the reason goes to standard error.
        """
        if self._resources.is_file():
            wanted = [CloudResource(**each) for each in json.loads(self._resources.read_text())]
            for problem in create(wanted, self._clients, self._state):
                print(problem, file=sys.stderr, flush=True)  # noqa: T201 - the server's log


def _json(start: StartResponse, answer: Mapping[str, object]) -> Iterable[bytes]:
    body = json.dumps(answer).encode()
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

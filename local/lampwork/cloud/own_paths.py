import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.creation.create import create
from lampwork.cloud.in_process import Clients
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.cloud.reference_values import resolve
from lampwork.http.internal_paths import REFERENCES, RESOURCES
from lampwork.stack.model import CloudResource


class OwnPaths:
    """What the emulator asks of the server beside AWS's own API.

    POST /_lampwork/resources creates what the file of resources now names; POST
    /_lampwork/references answers a list of dynamic references with their values.
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
            case _:
                return self._app(environ, start)

    def create_resources(self) -> None:
        """Create what does not exist yet; what AWS would refuse is said and left out."""
        if self._resources.is_file():
            wanted = [CloudResource(**each) for each in json.loads(self._resources.read_text())]
            for problem in create(wanted, self._clients, self._state):
                print(problem, file=sys.stderr, flush=True)  # noqa: T201 - this is its log


def _json(start: StartResponse, answer: Mapping[str, object]) -> Iterable[bytes]:
    body = json.dumps(answer).encode()
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]

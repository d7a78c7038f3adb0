"""moto that keeps its state: `python -m lampwork.cloud.server SOCKET FOLDER REGION [HOST…]`.

What the template's resources are it reads from FOLDER/resources.json at the start, and again at
each POST to /_lampwork/resources. The hosts are names besides localhost by which it is asked.
"""

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import moto
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from lampwork.cloud import queue_rules
from lampwork.cloud.function_targets import FunctionTargets
from lampwork.cloud.move_tasks import MoveTasks
from lampwork.cloud.own_paths import OwnPaths
from lampwork.cloud.page_guard import PageGuard
from lampwork.cloud.persistence.buckets import KeptBuckets
from lampwork.cloud.persistence.kept_state import Keeper, KeptState
from lampwork.cloud.persistence.object_folder import ObjectFolder
from lampwork.cloud.persistence.objects import KeptObjects
from lampwork.cloud.persistence.queues import KeptQueues
from lampwork.cloud.persistence.services import KeptServices
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.cloud.persistence.tables import KeptTables
from lampwork.cloud.queue_report import QueueReport
from lampwork.cloud.request_handler import RequestHandler
from lampwork.cloud.table_streams import TableStreams

FILE: Final = "state.db"
VERSION: Final = "moto"


class Dispatcher(DomainDispatcherApplication):
    """Remembers whom a host name means: moto looks through all its folders at each request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host = lru_cache(super().get_backend_for_host)  # type: ignore[method-assign]


class Unreadable(Exception):
    """What was kept cannot be read; the text says where it is now."""


def application(folder: Path, region: str) -> Any:
    """moto as a WSGI application, with its state loaded and the template's resources created.

    Raises:
        Unreadable: moto is half loaded then; a new process finds nothing kept.
    """
    objects = KeptObjects(Dispatcher(), ObjectFolder(folder / "s3"))
    keepers: list[Keeper] = [KeptQueues(), KeptTables(), KeptServices(), KeptBuckets()]
    state = StateFile(folder / FILE)
    streams = TableStreams(MoveTasks(objects))
    kept = KeptState(streams, state, keepers)
    queue_rules.install()
    objects.load()
    _load(kept, state)
    FunctionTargets(region).install()
    streams.install()
    own = OwnPaths(kept, state, folder / "resources.json", region)
    own.create_resources()
    return QueueReport(own)


def _load(kept: KeptState, state: StateFile) -> None:
    version = dict(state.read(VERSION)).get("", b"unknown").decode()
    try:
        kept.load()
    except Exception as error:  # whatever another version's objects raise when they are made
        place = state.set_aside(f"of-moto-{version}")
        raise Unreadable(
            f"What moto {version} has kept cannot be read by moto {moto.__version__}"
            f" ({type(error).__name__}: {error}). It is in {place} now, and all but the objects"
            f" of buckets begins anew. To have it back, install moto {version} and rename it to"
            f" {FILE}."
        ) from error
    state.write({VERSION: moto.__version__.encode()})


def main(descriptor: int, folder: Path, region: str, *allowed_hosts: str) -> None:
    try:
        app = application(folder, region)
    except Unreadable as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        again = [sys.executable, "-m", "lampwork.cloud.server", *sys.argv[1:]]
        os.execv(again[0], again)  # noqa: S606 - itself
    server = make_server(
        "127.0.0.1",
        0,
        PageGuard(app, allowed_hosts),
        threaded=True,
        request_handler=RequestHandler,
        fd=descriptor,
    )
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

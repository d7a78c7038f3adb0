from pathlib import Path
from typing import Final
from wsgiref.types import WSGIApplication

from lampwork.cloud import queue_rules
from lampwork.cloud.function_targets import FunctionTargets
from lampwork.cloud.moto_seam import backends
from lampwork.cloud.moto_seam.http import Dispatcher
from lampwork.cloud.move_tasks import MoveTasks
from lampwork.cloud.own_paths import OwnPaths
from lampwork.cloud.persistence.buckets import KeptBuckets
from lampwork.cloud.persistence.kept_state import Keeper, KeptState
from lampwork.cloud.persistence.object_folder import ObjectFolder
from lampwork.cloud.persistence.objects import KeptObjects
from lampwork.cloud.persistence.queues import KeptQueues
from lampwork.cloud.persistence.services import KeptServices
from lampwork.cloud.persistence.state_file import StateFile
from lampwork.cloud.persistence.tables import KeptTables
from lampwork.cloud.queue_report import QueueReport
from lampwork.cloud.table_streams import TableStreams

FILE: Final = "state.db"
VERSION: Final = "moto"


class Unreadable(Exception):
    """What was kept cannot be read; the text says where it is now."""


def application(folder: Path, region: str) -> WSGIApplication:
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
            f"What moto {version} has kept cannot be read by moto {backends.VERSION}"
            f" ({type(error).__name__}: {error}). It is in {place} now, and all but the objects"
            f" of buckets begins anew. To have it back, install moto {version} and rename it to"
            f" {FILE}."
        ) from error
    state.write({VERSION: backends.VERSION.encode()})

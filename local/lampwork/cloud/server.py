"""moto that keeps its state: `python -m lampwork.cloud.server SOCKET FOLDER REGION`.

What the template's resources are it reads from FOLDER/resources.json at the start, and again at
each POST to /_lampwork/resources.
"""

import sys
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from lampwork.cloud import queue_rules
from lampwork.cloud.function_targets import FunctionTargets
from lampwork.cloud.keeper import Keeper, KeptState
from lampwork.cloud.kept_buckets import KeptBuckets
from lampwork.cloud.kept_objects import KeptObjects
from lampwork.cloud.kept_queues import KeptQueues
from lampwork.cloud.kept_services import KeptServices
from lampwork.cloud.kept_tables import KeptTables
from lampwork.cloud.move_tasks import MoveTasks
from lampwork.cloud.object_folder import ObjectFolder
from lampwork.cloud.own_paths import OwnPaths
from lampwork.cloud.queue_report import QueueReport
from lampwork.cloud.state_file import StateFile


class QuietRequestHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def application(folder: Path, region: str) -> Any:
    """moto as a WSGI application, with its state loaded and the template's resources created."""
    objects = KeptObjects(
        DomainDispatcherApplication(create_backend_app), ObjectFolder(folder / "s3")
    )
    keepers: list[Keeper] = [KeptQueues(), KeptTables(), KeptServices(), KeptBuckets()]
    state = StateFile(folder / "state.db")
    kept = KeptState(MoveTasks(objects), state, keepers)
    queue_rules.install()
    objects.load()
    kept.load()
    FunctionTargets(region).install()
    own = OwnPaths(kept, state, folder / "resources.json", region)
    own.create_resources()
    return QueueReport(own)


def main(descriptor: int, folder: Path, region: str) -> None:
    server = make_server(
        "127.0.0.1",
        0,
        application(folder, region),
        threaded=True,
        request_handler=QuietRequestHandler,
        fd=descriptor,
    )
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

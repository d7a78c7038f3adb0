"""moto with S3 objects in a folder: `python -m lampwork.companions.aws_server SOCKET FOLDER`."""

import sys
from pathlib import Path

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from lampwork.companions.kept_objects import KeptObjects
from lampwork.companions.object_folder import ObjectFolder
from lampwork.companions.queue_report import QueueReport


class QuietRequestHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def main(descriptor: int, folder: Path) -> None:
    objects = KeptObjects(DomainDispatcherApplication(create_backend_app), ObjectFolder(folder))
    objects.load()
    server = make_server(
        *("127.0.0.1", 0, QueueReport(objects)),
        threaded=True,
        request_handler=QuietRequestHandler,
        fd=descriptor,
    )
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

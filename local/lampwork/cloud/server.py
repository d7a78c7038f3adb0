"""Runs moto and stores its state: `python -m lampwork.cloud.server SOCKET FOLDER REGION [HOST…]`.

SOCKET is the file descriptor of a listening socket. The server reads the template's resources from
FOLDER/resources.json at the start and at each POST to /_lampwork/resources. The HOSTs are the names
besides localhost that clients may use.
"""

import os
import sys
from pathlib import Path

from lampwork.cloud.moto_seam.names import MOTO


def main(descriptor: int, folder: Path, region: str, *allowed_hosts: str) -> None:
    MOTO.check_or_exit()
    # These imports load moto and use names that another version may lack, so the check comes first.
    from werkzeug.serving import make_server

    from lampwork.cloud.application import Unreadable, application
    from lampwork.cloud.page_guard import PageGuard
    from lampwork.cloud.pool_documents import PoolDocuments
    from lampwork.cloud.request_handler import RequestHandler

    try:
        app = application(folder, region)
    except Unreadable as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        again = [sys.executable, "-m", "lampwork.cloud.server", *sys.argv[1:]]
        os.execv(again[0], again)  # noqa: S606 - starts this program again
    server = make_server(
        "127.0.0.1",
        0,
        PoolDocuments(PageGuard(app, allowed_hosts)),  # which anybody may read
        threaded=True,
        request_handler=RequestHandler,
        fd=descriptor,
    )
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

"""Runs moto and stores its state: `python -m lampwork.cloud.server SOCKET FOLDER REGION [HOST…]`.

SOCKET is the file descriptor of a listening socket. The server reads the template's resources from
FOLDER/resources.json at the start and at each POST to /_lampwork/resources. The HOSTs are the names
besides localhost that clients may use.
"""

import ctypes
import gc
import os
import sys
from pathlib import Path

from lampwork.cloud.moto_seam.names import MOTO
from lampwork.seams import EXIT_STATUS


def main(descriptor: int, folder: Path, region: str, *allowed_hosts: str) -> None:
    try:
        # These imports load moto and use names that another version may lack.
        from werkzeug.serving import make_server

        from lampwork.cloud import descriptions
        from lampwork.cloud.application import Unreadable, application
        from lampwork.cloud.page_guard import PageGuard
        from lampwork.cloud.pool_documents import PoolDocuments
        from lampwork.cloud.request_handler import RequestHandler
    except (
        Exception
    ):  # whatever an unknown version makes of it; the check says which names it lacks
        MOTO.check_or_exit()
        raise
    _check()
    descriptions.share()
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
    _return_memory()
    server.serve_forever()


def _check() -> None:
    """Check moto in a process of its own, which ends: the check loads services that this one may
    never need, with 22 MB of packages."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            MOTO.check_or_exit()
            status = 0
        except SystemExit as exiting:
            status = EXIT_STATUS if exiting.code == EXIT_STATUS else 1
        finally:
            os._exit(status)
    _, ended = os.waitpid(pid, 0)
    if status := os.waitstatus_to_exitcode(ended):
        sys.exit(status)


def _return_memory() -> None:
    """Give back what only the start has used, where the C library is able to: about 6 MB."""
    gc.collect()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])

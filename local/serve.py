"""The web server of a container: `python -m local.serve`.

PORT, HOST and WEB_CONCURRENCY (processes) are those that container platforms know. It takes the
client's address from the connection; TRUSTED_PROXY_CIDRS names the proxies to believe.
"""

import os
import sys

import uvicorn
from starlette.types import ASGIApp

from local import server_metrics
from shared import settings
from shared.errors import SettingsError
from shared.process import safety
from shared.settings import MetricsFormat

MAX_MESSAGE_BYTES = 128 * 1024  # API Gateway's limit; clients send nothing but pings
STOP_SECONDS = 25  # of the thirty that platforms give: long polls end by then
# A process that has not answered its parent for so long is replaced. It only starts slowly where
# many programs want the same core.
HUNG_SECONDS = 60


def application() -> ASGIApp:
    """What a process of the server serves."""
    from functions.asgi import app  # not needed by the process that only looks after others

    if not _has_page():
        return app
    server_metrics.count_here()
    return server_metrics.Measured(app)


def _has_page() -> bool:
    return settings.metrics().format is MetricsFormat.PROMETHEUS


def main() -> int:
    try:
        safety.check()  # or each process would refuse for itself, and uvicorn would exit with 0
        if _has_page():
            server_metrics.serve_page()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    uvicorn.run(
        "local.serve:application",
        factory=True,
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "8000")),
        workers=int(os.environ.get("WEB_CONCURRENCY", "1")),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # it costs more than it saves for frames this small
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The web server of a container: `python -m local.serve`.

PORT, HOST and WEB_CONCURRENCY (processes) are those that container platforms know. It takes the
client's address from the connection; TRUSTED_PROXY_CIDRS names the proxies to believe.
"""

import os
import sys

import uvicorn

MAX_MESSAGE_BYTES = 128 * 1024  # API Gateway's limit; clients send nothing but pings
STOP_SECONDS = 25  # of the thirty that platforms give: long polls end by then


def main() -> int:
    uvicorn.run(
        "functions.asgi:app",
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "8000")),
        workers=int(os.environ.get("WEB_CONCURRENCY", "1")),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # it costs more than it saves for frames this small
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

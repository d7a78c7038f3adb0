"""Stands in for Redis where none is installed: `python -m lampwork.companions.fake_redis PORT`.

It is written in Python and keeps its data in memory.
"""

import sys
from typing import Any

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis.exceptions import ResponseError


class RequestHandler(TCPFakeRequestHandler):
    """Answers a wrong command with an error, as Redis does; fakeredis would also hang up."""

    def setup(self) -> None:
        super().setup()
        read_response = self.current_client.read_response

        def response_or_error(**options: Any) -> Any:
            try:
                return read_response(**options)
            except ResponseError as error:
                return error

        self.current_client.read_response = response_or_error  # type: ignore[method-assign]


def main(port: int) -> None:
    with TcpFakeServer(("127.0.0.1", port), server_type="redis") as server:
        server.RequestHandlerClass = RequestHandler
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))

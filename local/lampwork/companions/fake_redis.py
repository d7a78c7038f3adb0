"""Stands in for Redis where none is installed: `python -m lampwork.companions.fake_redis PORT`.

It is written in Python and keeps its data in memory.
"""

import sys
from typing import Any, Final

from lampwork.seams import Seam

FAKEREDIS: Final = Seam(
    package="fakeredis",
    floor="2.39",
    ceiling="3",
    extras="[lua]",
    calls=(
        "fakeredis.TcpFakeServer(server_address, *, server_type)",
        "fakeredis.TcpFakeServer.serve_forever(self)",
        "fakeredis._clients._sync.FakeRedisConnection.read_response(self)",
        "redis.exceptions.ResponseError",
    ),
    replaces=("fakeredis._clients._tcp_server.TCPFakeRequestHandler.setup(self)",),
)


def main(port: int) -> None:
    FAKEREDIS.check_or_exit()
    # Only now, since these names may not be there.
    from fakeredis import TcpFakeServer
    from fakeredis._clients._tcp_server import TCPFakeRequestHandler
    from redis.exceptions import ResponseError

    class RequestHandler(TCPFakeRequestHandler):
        """Answers a wrong command with an error, as Redis does; fakeredis then hangs up as well."""

        def setup(self) -> None:
            super().setup()
            read_response = self.current_client.read_response

            def response_or_error(**options: Any) -> Any:
                try:
                    return read_response(**options)
                except ResponseError as error:
                    return error

            self.current_client.read_response = response_or_error  # type: ignore[method-assign]

    with TcpFakeServer(("127.0.0.1", port), server_type="redis") as server:
        server.RequestHandlerClass = RequestHandler
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))

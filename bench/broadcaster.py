"""The least a server can do: `python -m bench.broadcaster PORT` sends what one says to all."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int) -> None:
    everybody: set[ServerConnection] = set()

    async def keep(socket: ServerConnection) -> None:
        everybody.add(socket)
        async for text in socket:
            broadcast(everybody, text)

    async with serve(keep, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

"""The least a server can do: `python -m bench.broadcaster PORT` sends each message to everyone."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve


async def main(port: int) -> None:
    connections: set[ServerConnection] = set()

    async def relay(socket: ServerConnection) -> None:
        connections.add(socket)
        async for text in socket:
            broadcast(connections, text)

    async with serve(relay, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

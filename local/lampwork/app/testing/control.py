"""What `lampwork.testing` asks of the emulator, over HTTP with JSON."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from lampwork.app.project.project import Project
from lampwork.errors import LampworkError
from lampwork.http.internal_paths import TESTING
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message

JSON: Final = [("content-type", "application/json")]

Asked = Mapping[str, Any]


class TestControl:
    """Serves the paths below /_lampwork/testing/, each of which takes and returns JSON."""

    __test__ = False  # no test of pytest's

    def __init__(self, project: Project) -> None:
        self._project = project
        self._paths: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
            "about": self._about,
            "messages": self._messages,
        }

    async def serve(self, request: Request) -> Response:
        answer = self._paths.get(request.path.removeprefix(TESTING))
        if answer is None:
            return json_message(404, "Not Found")
        try:
            answered = await answer(json.loads(request.body or b"{}"))
        except LampworkError as error:
            return Response(409, JSON, json.dumps({"message": f"{error}"}).encode())
        return Response(200, JSON, json.dumps(answered).encode())

    async def _about(self, asked: Asked) -> Any:
        """The region, the address of the embedded AWS, and each resource of the template by its
        logical id, with its type and physical id. The names in the first stack win."""
        resources: dict[str, tuple[str, str]] = {}
        for stack in self._project.stack.deployed:
            for each in stack.resources:
                resources.setdefault(each.logical_id, (each.type, each.physical_id))
        return {
            "region": self._project.config.region,
            "aws": self._project.services.aws_url,
            "resources": resources,
        }

    async def _messages(self, asked: Asked) -> Any:
        return await self._ask_aws("messages", asked)

    async def _ask_aws(self, what: str, asked: object) -> Any:
        aws = self._project.services.aws
        if aws is None:
            raise LampworkError("This needs the embedded AWS: add 'aws' to services.")
        return json.loads(await aws.ask(TESTING + what, asked))


async def until_input_ends() -> None:
    """Wait until the test that has started this process is gone, which closes the pipe."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    class Input(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            ended.set()

    transport, _ = await loop.connect_read_pipe(Input, sys.stdin)
    try:
        await ended.wait()
    finally:
        transport.close()

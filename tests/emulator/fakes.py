import asyncio
import inspect
import json
import uuid
from collections.abc import Callable
from typing import Any

from lampwork.errors import FunctionNotFound, LampworkError
from lampwork.invocation.answer_stream import AnswerStream
from lampwork.invocation.port import Invocation

Handler = Callable[[Any], Any]


class FakeInvoker:
    """Runs plain callables as functions. An exception becomes a function error, as Lambda reports
    it, unless it is an error that an invoker itself raises."""

    def __init__(self, **handlers: Handler) -> None:
        self.handlers = handlers
        self.events: list[tuple[str, Any]] = []
        self.request_ids: list[str | None] = []
        self._invoked = asyncio.Condition()

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
        trace_header: str | None = None,
        stream: AnswerStream | None = None,
        on_begin: Callable[[], None] | None = None,
    ) -> Invocation:
        if function not in self.handlers:
            raise FunctionNotFound(function)
        event = json.loads(payload)
        self.events.append((function, event))
        self.request_ids.append(request_id)
        async with self._invoked:
            self._invoked.notify_all()
        try:
            result = self.handlers[function](event)
            if inspect.isawaitable(result):
                # As with a real function, an invocation that has begun runs to its end.
                result = await asyncio.shield(asyncio.ensure_future(result))
        except LampworkError:
            raise
        except Exception as error:
            failure = {"errorMessage": str(error), "errorType": type(error).__name__}
            return _invocation(json.dumps(failure).encode(), "Unhandled")
        return _invocation(result if isinstance(result, bytes) else json.dumps(result).encode())

    async def event(self, function: str, number: int = 1) -> Any:
        """The event of a function's nth request; waits for it if it has not come yet."""
        async with self._invoked, asyncio.timeout(5):
            await self._invoked.wait_for(lambda: len(self.of(function)) >= number)
        return self.of(function)[number - 1]

    def of(self, function: str) -> list[Any]:
        return [event for name, event in self.events if name == function]


def _invocation(payload: bytes, function_error: str | None = None) -> Invocation:
    return Invocation(
        request_id=str(uuid.uuid4()),
        payload=payload,
        function_error=function_error,
        log=b"START\nEND\nREPORT\n",
        duration_ms=1.0,
    )

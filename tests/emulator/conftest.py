import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

# What moves bytes itself is tested on both event loops it may run on.
ON_BOTH_LOOPS = {"test_http1.py", "test_front_listener.py", "test_websocket_frames.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvloop

from tests.emulator.lampwork_process import SampleProject

# Functions of tests run on this Python, whatever their templates say and this machine has.
os.environ.setdefault("LAMPWORK_PYTHON", sys.executable)
# Code that moves bytes itself is tested on both event loops that it may run on.
ON_BOTH_LOOPS = {"test_http_connection.py", "test_front_listener.py", "test_websocket_frames.py"}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.name in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[SampleProject]:
    created = SampleProject.create(tmp_path)
    yield created
    created.close()


@pytest.fixture
def sqs(object_store: str) -> Iterator[Any]:
    """A plain boto3 client for an endpoint that has no queues."""
    client = boto3.client(
        "sqs",
        endpoint_url=object_store,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    yield client
    for url in client.list_queues().get("QueueUrls", []):
        client.delete_queue(QueueUrl=url)
    client.close()

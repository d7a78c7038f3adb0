from collections.abc import Iterator
from contextlib import contextmanager

from dramatiq import Broker, Worker


@contextmanager
def working(broker: Broker) -> Iterator[None]:
    """A worker of two threads on this broker."""
    worker = Worker(broker, worker_timeout=20, worker_threads=2)
    worker.start()
    try:
        yield
    finally:
        worker.stop()

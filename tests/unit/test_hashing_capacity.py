import asyncio
import threading

import pytest

from shared.errors import Unavailable
from shared.security.hashing_capacity import HashingCapacity


async def test_no_more_hashes_run_at_once_than_there_are_threads():
    capacity, running, most = HashingCapacity(threads=2, waiting=20), 0, 0
    lock = threading.Lock()

    def hash_() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.005)
        with lock:
            running -= 1

    await asyncio.gather(*(capacity.run(hash_) for _ in range(20)))

    assert most <= 2


async def test_a_request_that_finds_the_queue_full_is_told_to_try_again():
    capacity, finish = HashingCapacity(threads=1, waiting=1), threading.Event()
    admitted = [asyncio.create_task(capacity.run(finish.wait)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable) as refused:
        await capacity.run(finish.wait)

    finish.set()
    assert await asyncio.gather(*admitted) == [True, True]
    assert refused.value.headers["Retry-After"] == "1"
    assert await capacity.run(lambda: "hash") == "hash"


async def test_a_hash_that_fails_frees_its_place():
    capacity = HashingCapacity(threads=1, waiting=0)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await capacity.run(lambda: 1 // 0)

"""The time by which moto's queues hide, delay and keep messages. A test can move it."""

import time
from typing import Any

from moto.core.utils import unix_time, unix_time_millis
from moto.sqs import models


class QueueClock:
    """How many seconds the queues' time is ahead of the machine's."""

    def __init__(self) -> None:
        self.ahead = 0.0
        sqs: Any = models
        sqs.unix_time = lambda *given: unix_time(*given) + (0 if given else self.ahead)
        sqs.unix_time_millis = lambda *given: unix_time_millis(*given) + (
            0 if given else self.ahead * 1000
        )

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.ahead

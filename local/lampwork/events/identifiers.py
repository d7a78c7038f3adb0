"""The ids and times API Gateway gives requests, connections and messages.

The ids name and protect nothing, so they need not be secret: `random` makes them for a fraction of
what the system's randomness costs.
"""

import base64
import random
import time
from dataclasses import dataclass
from functools import lru_cache


def new_id() -> str:
    """15 characters of base64url and "=", such as L0SM9cOFvHcCIhw=."""
    return base64.urlsafe_b64encode(random.randbytes(11)).decode()


def new_trace_header() -> str:
    return f"Root=1-{int(time.time()):08x}-{random.getrandbits(96):024x}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, in the forms events and APIs use."""

    epoch_ms: int

    @classmethod
    def now(cls) -> "Moment":
        return cls(time.time_ns() // 1_000_000)

    @property
    def clf(self) -> str:
        """Common Log Format: 21/Apr/2020:15:08:21 +0000. English whatever the locale."""
        return _clf(self.epoch_ms // 1000)

    @property
    def iso(self) -> str:
        utc = time.gmtime(self.epoch_ms // 1000)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', utc)}.{self.epoch_ms % 1000:03}Z"


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=1)
def _clf(second: int) -> str:
    utc = time.gmtime(second)
    month = MONTHS[utc.tm_mon - 1]
    return f"{utc.tm_mday:02}/{month}/{utc.tm_year}:{time.strftime('%H:%M:%S +0000', utc)}"

"""The ids and times that API Gateway gives to requests, connections and messages.

The ids protect nothing, so they need not be secret: `random` makes them at a fraction of the cost
of the system's random numbers.
"""

import base64
import random
import time
from dataclasses import dataclass
from functools import lru_cache


def new_id() -> str:
    """An id such as L0SM9cOFvHcCIhw=: 15 characters of base64url and "="."""
    return base64.urlsafe_b64encode(random.randbytes(11)).decode()


def new_trace_header() -> str:
    return f"Root=1-{int(time.time()):08x}-{random.getrandbits(96):024x}"


def whole_trace(header: str) -> str:
    """A trace header with all three parts, as a REST API sends it to the client: it adds what the
    client's own header lacks.

    Recorded on AWS: localstack/localstack, tests/aws/services/apigateway/test_apigateway_common.py,
    test_invocation_trace_id.
    """
    if "Parent=" not in header:
        header = f"{header};Parent={random.getrandbits(64):016x}"
    return header if "Sampled=" in header else f"{header};Sampled=0"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, in the formats that events and APIs use."""

    epoch_ms: int

    @classmethod
    def now(cls) -> "Moment":
        return cls(time.time_ns() // 1_000_000)

    @property
    def clf(self) -> str:
        """In Common Log Format, such as 21/Apr/2020:15:08:21 +0000; English in any locale."""
        return _clf(self.epoch_ms // 1000)

    @property
    def iso(self) -> str:
        utc = time.gmtime(self.epoch_ms // 1000)
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', utc)}.{self.epoch_ms % 1000:03}Z"


DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date() -> str:
    """Now, as a Date header says it (RFC 9110 §5.6.7)."""
    return _http_date(int(time.time()))


@lru_cache(maxsize=1)
def _http_date(second: int) -> str:
    utc = time.gmtime(second)
    day = f"{DAYS[utc.tm_wday]}, {utc.tm_mday:02} {MONTHS[utc.tm_mon - 1]} {utc.tm_year}"
    return f"{day} {time.strftime('%H:%M:%S', utc)} GMT"


@lru_cache(maxsize=1)
def _clf(second: int) -> str:
    utc = time.gmtime(second)
    month = MONTHS[utc.tm_mon - 1]
    return f"{utc.tm_mday:02}/{month}/{utc.tm_year}:{time.strftime('%H:%M:%S +0000', utc)}"

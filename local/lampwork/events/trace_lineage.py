"""The lineage in a trace header: how often each function was invoked in one chain of requests.

AWS's SDKs send a function's trace header with each of its requests. So a request that invokes the
function again tells how often it was invoked before.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

import random
import re
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from lampwork.events.identifiers import new_trace_header

# https://aws.amazon.com/blogs/compute/detecting-and-stopping-recursive-loops-in-aws-lambda-functions/
MOST_INVOCATIONS: Final = 16

ROOT: Final = re.compile(r"Root=[^;]+")
SAMPLED: Final = re.compile(r"Sampled=[^;]+")
LINEAGE: Final = re.compile(r"Lineage=([^;]*)")
COUNT: Final = re.compile(r"([0-9a-f]{8}):(\d+)")


def earlier_invocations(header: str, function_arn: str) -> int:
    """How often a function was invoked in the chain of requests that a trace header belongs to."""
    return _counts(header).get(_identity(function_arn), 0)


def trace_of_invocation(header: str | None, function_arn: str) -> str:
    """The trace header of an invocation. `header` is that of the request that causes it."""
    identity, parent = _identity(function_arn), f"Parent={random.getrandbits(64):016x}"
    if header is None:  # as for most invocations
        return f"{new_trace_header()};{parent};Sampled=0;Lineage={identity}:1"
    root, sampled = ROOT.search(header), SAMPLED.search(header)
    counts = _counts(header)
    counts[identity] = counts.get(identity, 0) + 1
    parts = (
        root[0] if root else new_trace_header(),
        parent,
        sampled[0] if sampled else "Sampled=0",
        "Lineage=" + "|".join(f"{each}:{count}" for each, count in counts.items()),
    )
    return ";".join(parts)


def without_lineage(header: str) -> str:
    """A trace header that names the same trace, but counts no invocations."""
    return ";".join(part for part in header.split(";") if not part.startswith("Lineage="))


def longest_chain(headers: Iterable[str]) -> str | None:
    """Of several trace headers, the one with the most invocations; None if there is none."""
    return max(headers, key=lambda header: sum(_counts(header).values()), default=None)


def _counts(header: str) -> dict[str, int]:
    found = LINEAGE.search(header)
    return {name: int(count) for name, count in COUNT.findall(found[1])} if found else {}


@lru_cache(maxsize=1024)
def _identity(function_arn: str) -> str:
    return f"{zlib.crc32(function_arn.encode()):08x}"

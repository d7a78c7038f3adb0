"""How large what crosses the border may be, in bytes.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from typing import Final

MAX_EVENT: Final = 6 * 1024 * 1024
MAX_ASYNCHRONOUS_EVENT: Final = 1024 * 1024
# The documented 6 MB and 100 bytes more: what the service's message about a larger one names.
MAX_RESPONSE: Final = 6_291_556
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
MAX_STREAMED_RESPONSE: Final = 200 * 1024 * 1024

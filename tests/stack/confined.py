from local.stack import Stack

WRITE = """\
import os
try: open('/app/x', 'w'); print('written')
except OSError as error: print(os.getuid(), error.errno)
"""


def assert_confined(stack: Stack, service: str) -> None:
    """Its processes are an ordinary user's, on a root that they cannot write."""
    assert stack.run(service, "python", "-c", WRITE) == "10001 30"  # EROFS

"""Tests of a serverless application on a whole running stack: docs/emulator/testing.md.

A `Stack` runs `lampwork up` as a child process with data of its own at a free port, and asks it
over HTTP, as clients do, and at the control paths that only such a child serves. It does not run in
the test's own process, because

* the emulator forks functions' processes, handles signals, raises limits and runs an event loop,
  all of which belong to a process, and to pytest and its plugins here;
* a killed test run still ends everything: the child stops when its standard input does;
* each worker of pytest-xdist has a stack of its own, and all of them run at once.

A request to it takes one or two milliseconds more than a call within the process would.
"""

from lampwork.testing.answers import Answer, FunctionError
from lampwork.testing.invocations import Invocation
from lampwork.testing.messaging import Bus, Message, Queue
from lampwork.testing.sockets import Closed, Refused, Socket
from lampwork.testing.stack import Stack

__all__ = [
    "Answer",
    "Bus",
    "Closed",
    "FunctionError",
    "Invocation",
    "Message",
    "Queue",
    "Refused",
    "Socket",
    "Stack",
]

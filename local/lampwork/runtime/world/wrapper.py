"""A runtime that is another program: a script that AWS_LAMBDA_EXEC_WRAPPER names, or Node.js.

A wrapper script gets the interpreter and the runtime's file as arguments, and runs them with what
it adds.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
"""

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"
TASK_VARIABLE = "LAMPWORK_TASK"
PYTHON_RUNTIME = (sys.executable, os.path.join(os.path.dirname(__file__), "wrapped.py"))


def run(command: Sequence[str], task: Mapping[str, Any]) -> NoReturn:
    """Run the command in this process. The runtime finds this task in a variable."""
    os.set_inheritable(task["channel"], True)
    os.environ[TASK_VARIABLE] = json.dumps(task)
    become(command, VARIABLE if os.environ.get(VARIABLE) == command[0] else "Runtime")


def become(command: Sequence[str], name: str) -> NoReturn:
    """Run the command in place of this process; errors call it by this name."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execv(command[0], list(command))  # noqa: S606 - the user's own
    except OSError as error:
        hint = f"; try `chmod +x` on {command[0]}" if isinstance(error, PermissionError) else ""
        sys.exit(f"{name}: {command[0]} cannot be run: {error.strerror}{hint}.")

"""A script that starts the runtime: AWS_LAMBDA_EXEC_WRAPPER.

It gets the interpreter and the runtime's file as arguments, and runs them with what it adds.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

VARIABLE = "AWS_LAMBDA_EXEC_WRAPPER"
TASK_VARIABLE = "LAMPWORK_TASK"
RUNTIME = os.path.join(os.path.dirname(__file__), "wrapped.py")


def run(script: str, task: Mapping[str, Any]) -> NoReturn:
    """Run the script in this process, with a runtime that serves this task (`bootstrap.serve`)."""
    os.set_inheritable(task["channel"], True)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.environ[TASK_VARIABLE] = json.dumps(task)
    try:
        os.execv(script, [script, sys.executable, RUNTIME])  # noqa: S606 - the user's own
    except OSError as error:
        sys.exit(f"{VARIABLE}: {script} cannot be run: {error.strerror}.")

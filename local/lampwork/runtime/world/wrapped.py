"""The runtime of a function whose process a wrapper script starts. It is run by its path."""

import sys

if __name__ == "__main__":
    del sys.path[0]  # this folder, whose modules are not the function's

import json
import os

from lampwork.runtime.launching import process
from lampwork.runtime.world.wrapper import TASK_VARIABLE

if __name__ == "__main__":
    process.serve(**json.loads(os.environ.pop(TASK_VARIABLE)))

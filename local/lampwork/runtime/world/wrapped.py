"""The runtime of a function whose process a wrapper script starts. It is run by its path."""

import sys
from os.path import dirname, isdir

if __name__ == "__main__":
    here = sys.path.pop(0)  # this folder, whose modules are not the function's
    place = dirname(dirname(dirname(here)))
    rest = f"{dirname(dirname(place))}/rest/site-packages"
    if isdir(rest):  # where Lampwork is not installed: see `bootstrap`
        sys.path.insert(0, place)
        sys.path.append(rest)

import json
import os

from lampwork.runtime.launching import process
from lampwork.runtime.world.wrapper import TASK_VARIABLE

if __name__ == "__main__":
    process.serve(**json.loads(os.environ.pop(TASK_VARIABLE)))

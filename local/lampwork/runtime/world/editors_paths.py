"""A function's log names files by Lambda's paths; the developer's terminal names them as an editor
finds them."""

import re
from typing import Final

from lampwork.runtime.world.mounts import OPT, TASK
from lampwork.runtime.world.places import editors_path
from lampwork.stack.model import Function

# In tracebacks of Python, and in stacks of Node.js: (/var/task/app.js:1:7).
FILE: Final = re.compile(
    rf'(?<=File ")(?:{TASK}|{OPT})/[^"]+|(?<=[( /])(?:{TASK}|{OPT})/[^\s"():]+(?=:\d+:\d+)'
)


def with_editors_paths(text: str, function: Function) -> str:
    """The text with the files of its tracebacks by the paths they have outside of the function."""
    if TASK not in text and OPT not in text:
        return text
    return FILE.sub(lambda found: editors_path(found[0], function), text)

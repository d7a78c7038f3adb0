"""The handler of a function with the Lambda Web Adapter. Importing it starts the program."""

import os

from lampwork.runtime.client import answer_stream
from lampwork.runtime.programs.web_adapter import WebAdapter

handler = WebAdapter(dict(os.environ), answer_stream()).handle

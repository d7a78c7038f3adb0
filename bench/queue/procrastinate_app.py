"""A job that does nothing. As a program it defers as many as each line of its input says.

It runs in a venv of its own, where there is nothing of ours.
"""

import os
import sys

from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

DATABASE = os.environ["JOBS_DATABASE"]

app = App(connector=PsycopgConnector(conninfo=DATABASE))


@app.task(name="nothing")  # type: ignore[untyped-decorator]
async def nothing() -> None:
    pass


if __name__ == "__main__":
    with app.replace_connector(SyncPsycopgConnector(conninfo=DATABASE)) as sending, sending.open():
        for line in sys.stdin:
            sending.tasks["nothing"].configure().batch_defer(*[{}] * int(line))

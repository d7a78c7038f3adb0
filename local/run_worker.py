"""Runs a worker in this very process: `python -m local.run_worker local.worker:generate`.

Dramatiq's own command has one process watch over those that work. Where something else watches
already, as `lampwork up` does, that one costs memory, a second start and up to two seconds at each
end.
"""

import argparse
import logging
import os
import signal
import sys
from importlib import import_module
from types import FrameType

import dramatiq
from dramatiq import Worker

from shared import settings
from shared.settings import MetricsFormat

SHUTDOWN_MS = 600_000
STOPPED_TWICE = 1
LINE = "[%(asctime)s] [PID %(process)d] [%(threadName)s] [%(name)s] [%(levelname)s] %(message)s"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.run_worker", description=__doc__)
    parser.add_argument("setup", help="what sets up the broker and its actors: module:function")
    parser.add_argument("--threads", type=int, default=1, help="messages at once, 1 by default")
    options = parser.parse_args()
    if settings.metrics().format is MetricsFormat.PROMETHEUS:
        # Its page is served by a process of its own, which Dramatiq's command starts.
        of_dramatiq = ("dramatiq", options.setup, "--processes", "1")
        os.execvp("dramatiq", [*of_dramatiq, "--threads", str(options.threads)])  # noqa: S606
    run(options.setup, options.threads)


def run(setup: str, threads: int) -> None:
    """Work until SIGTERM or SIGINT, then finish what has begun; a second signal ends it at once."""
    is_told = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_told
        if is_told:
            sys.exit(STOPPED_TWICE)
        is_told = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    logging.basicConfig(level=logging.INFO, format=LINE)
    module, _, function = setup.partition(":")
    getattr(import_module(module), function)()
    broker = dramatiq.get_broker()
    broker.emit_after("process_boot")
    worker = Worker(broker, worker_threads=threads)
    worker.start()
    # The system may give a signal to any thread, and then nothing else would wake this one.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    while not is_told:
        os.read(told, 1)
    worker.stop(timeout=SHUTDOWN_MS)
    broker.close()


if __name__ == "__main__":
    main()

"""The worker processes that run where a Dramatiq broker replaces SQS and Lambda.

`dramatiq local.worker:generate` runs generators; `dramatiq local.worker:deliver` runs short work
that must not wait behind them.
"""

import asyncio
import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from functools import partial
from types import FrameType
from urllib.parse import urlsplit

import dramatiq
import uvloop
from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.middleware import AgeLimit, TimeLimit

from local.redis_broker import DecodeSafeRedisBroker
from local.worker_metrics import middleware as metrics_middleware
from shared import database, settings
from shared.clients import redis_client
from shared.errors import SettingsError
from shared.generators.concurrency import at_once
from shared.process.entry_point import prepare
from shared.process.event_loop import event_loop, run
from shared.queues import brokers, presence
from shared.queues.doorbells import DELIVER, GENERATE, WEBHOOKS
from shared.singletons import forget_singletons

GENERATE_POLL_MS = 100
DELIVER_POLL_MS = 20
IDLE_MS = 500
PAUSE_SECONDS = 5
BACKSTOP_SECONDS = 30
MOST_CONNECTIONS = 8
WEBHOOK_SENDERS = 4
PR_SET_PDEATHSIG = 1


def generate() -> None:
    """Set up the process that runs generators, as many at once as GENERATE_CONCURRENCY says."""
    from functions.tasks import generate as task  # each process loads what it runs: 13 MB less

    stopping = asyncio.Event()
    threads = at_once()
    _share_connections(threads)
    broker = _broker(
        GENERATE,
        GENERATE_POLL_MS,
        TimeLimit(time_limit=(settings.tasks().run_timeout_seconds + BACKSTOP_SECONDS) * 1000),
        LoopThread(),
        Presence(),
        Grace(stopping, settings.tasks().shutdown_grace_seconds),
        Threads(threads),
    )
    task.register(broker, stopping=stopping)


def deliver() -> None:
    """Set up the process that delivers frames and webhooks, and runs sweeps and ticks that come as
    messages."""
    from functions.tasks import sweep
    from functions.ws_broadcast import deliver as frames
    from functions.ws_broadcast import tick

    broker = _broker(
        DELIVER,
        DELIVER_POLL_MS,
        TimeLimit(time_limit=BACKSTOP_SECONDS * 1000),
        LoopThread(),
        Threads(),
    )
    for each in (frames, tick, sweep):
        each.register(broker)
    _send_webhooks(broker)


def _send_webhooks(broker: Broker) -> None:
    """Send webhooks for their doorbells, as `functions.webhooks.send` does.

    No more than a few threads do so at once, since receivers may be slow and other messages wait
    for a thread. A doorbell that finds them all sending is not needed: whoever sends takes the next
    endpoint by itself, and the sweep rings for what is left.
    """
    places = threading.Semaphore(WEBHOOK_SENDERS)

    @dramatiq.actor(broker=broker, actor_name=WEBHOOKS, queue_name=WEBHOOKS)
    def _send() -> None:
        from shared.services.webhook_sending import send_due  # 16 MB, if nobody has a webhook

        if places.acquire(blocking=False):
            try:
                run(send_due())
            finally:
                places.release()


def _share_connections(threads: int) -> None:
    """What is said to a PostgreSQL server takes a turn on one of a few connections, whatever the
    number of tasks. SQLite has one writer, and needs one."""
    is_sqlite = settings.database().url.get_secret_value().startswith("sqlite")
    if not is_sqlite and "DATABASE_POOL_SIZE" not in os.environ:
        os.environ["DATABASE_POOL_SIZE"] = str(min(threads, MOST_CONNECTIONS))
        forget_singletons()


def _broker(urgent_queue: str, poll_ms: int, *middleware: Middleware) -> Broker:
    """The broker of this process, without Dramatiq's retries: the database counts attempts."""
    _die_with_parent()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # a tenth less processor time a task
    prepare()
    age_limit = AgeLimit(max_age=round(settings.tasks().queue_timeout_seconds * 1000))
    ours = [age_limit, Burial(), *metrics_middleware(settings.metrics().format), *middleware]
    broker = _broker_of_queue(ours, urgent_queue, poll_ms)
    dramatiq.set_broker(broker)
    return broker


def _broker_of_queue(middleware: Sequence[Middleware], urgent_queue: str, poll_ms: int) -> Broker:
    url = settings.queue().url.get_secret_value()
    scheme = urlsplit(url).scheme
    if scheme.startswith("sqs"):
        raise SettingsError("QUEUE_URL: workers do not read SQS queues, functions do")
    if scheme.startswith("amqp"):
        from local.rabbitmq_broker import DecodeSafeRabbitmqBroker  # loads RabbitMQ's library

        return brokers.rabbitmq_broker(url, middleware, DecodeSafeRabbitmqBroker)
    safe = partial(DecodeSafeRedisBroker, poll_ms={urgent_queue: poll_ms})
    return brokers.redis_broker(url, middleware, safe)


class Burial(Middleware):
    """Makes a message whose actor failed a dead letter, so that it can be inspected.

    Without Dramatiq's retries it would count as done. The database has its task.
    """

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        if exception is not None:
            message.fail()


class LoopThread(Middleware):
    """Runs the process's event loop in a thread, for all threads of the worker."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        self._thread = threading.Thread(target=event_loop().run_forever, name="loop", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), event_loop()).result()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        run(_close_connections())
        event_loop().call_soon_threadsafe(event_loop().stop)
        self._thread.join()


class Presence(Middleware):
    """Tells health that a worker is there, until it fetches no more."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        self._told = asyncio.run_coroutine_threadsafe(presence.announce(), event_loop())

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        self._told.cancel()


async def _close_connections() -> None:
    await redis_client.client().aclose()
    await database.engine().dispose()


class Grace(Middleware):
    """When the worker stops, lets running attempts finish for a while; then they are given back.

    One that was told by SIGUSR1 that a successor runs beside it lets them finish however long they
    take, unless it is told to stop once more.
    """

    def __init__(self, stopping: asyncio.Event, seconds: float) -> None:
        self._stopping = stopping
        self._seconds = seconds
        self._has_successor = False

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        signal.signal(signal.SIGUSR1, self._note_successor)

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        if self._has_successor:
            _fetch_no_more(worker)
        else:
            self._begin()

    def _note_successor(self, *_: object) -> None:
        """Dramatiq kills a worker at the second signal. Here the second one begins the grace."""
        self._has_successor = True
        stop = signal.getsignal(signal.SIGTERM)

        def stop_patiently(number: int, frame: FrameType | None) -> None:
            signal.signal(signal.SIGTERM, self._begin)
            if callable(stop):
                stop(number, frame)

        signal.signal(signal.SIGTERM, stop_patiently)

    def _begin(self, *_: object) -> None:
        loop = event_loop()
        loop.call_soon_threadsafe(loop.call_later, self._seconds, self._stopping.set)


def _fetch_no_more(worker: Worker) -> None:
    """Dramatiq's consumers fetch on while its threads finish, however long that takes, and nobody
    would begin what they fetch."""
    for consumer in worker.consumers.values():
        consumer.pause()
    for consumer in worker.consumers.values():
        consumer.paused_event.wait(PAUSE_SECONDS)


class Threads(Middleware):
    """Asks the broker for no more than the threads can do, and lets idle ones sleep.

    A message that was fetched ahead would wait behind a long task while another worker idles.
    `number` replaces what the command line says.
    """

    def __init__(self, number: int | None = None) -> None:
        self._number = number

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        if self._number is not None:
            worker.worker_threads = self._number
        worker.worker_timeout = IDLE_MS
        worker.queue_prefetch = worker.worker_threads


def _die_with_parent() -> None:
    # Otherwise the children of a killed master would run on beside those of its successor.
    if multiprocessing.parent_process() is not None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

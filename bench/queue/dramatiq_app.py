"""A job that does nothing but count itself."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

REDIS = os.environ["JOBS_REDIS"]

broker = RedisBroker(url=REDIS)  # type: ignore[no-untyped-call]
dramatiq.set_broker(broker)
client = Redis.from_url(REDIS)


@dramatiq.actor(broker=broker, queue_name="jobs", actor_name="nothing")
def nothing() -> None:
    client.incr("done")

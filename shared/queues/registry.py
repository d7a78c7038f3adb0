"""Makes the queue that QUEUE_URL names."""

from urllib.parse import urlsplit

from shared import settings
from shared.process.scheme_registry import SchemeRegistry
from shared.queues.doorbells import Queue
from shared.singletons import singleton

# Each is called with the URL.
QUEUES = SchemeRegistry[Queue](
    "QUEUE_URL",
    "queue",
    {
        "redis": "shared.queues.dramatiq_queue:over_redis",
        "rediss": "shared.queues.dramatiq_queue:over_redis",
        "unix": "shared.queues.dramatiq_queue:over_redis",
        "amqp": "shared.queues.dramatiq_queue:over_rabbitmq",
        "amqps": "shared.queues.dramatiq_queue:over_rabbitmq",
        "sqs": "shared.queues.sqs_queue:from_settings",
    },
)


@singleton
def queue() -> Queue:
    """The process's queue, as the scheme of QUEUE_URL chooses it; it connects when it first sends.

    Raises:
        SettingsError: no queue has this scheme.
    """
    url = settings.queue().url.get_secret_value()
    return QUEUES.factory(urlsplit(url).scheme)(url)

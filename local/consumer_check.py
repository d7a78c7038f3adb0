"""A worker's health check: `python -m local.consumer_check QUEUE` asks RabbitMQ for consumers of
the queue."""

import sys
from contextlib import closing

from pika import BlockingConnection, URLParameters
from pika.exceptions import AMQPError

from shared import settings

TIMEOUT_SECONDS = 5


def main() -> int:
    parameters = URLParameters(settings.queue().url.get_secret_value())
    parameters.socket_timeout = parameters.blocked_connection_timeout = TIMEOUT_SECONDS
    try:
        with closing(BlockingConnection(parameters)) as connection:
            declared = connection.channel().queue_declare(sys.argv[1], passive=True)
    except (AMQPError, OSError) as error:
        sys.stderr.write(f"{error!r}\n")
        return 1
    return 0 if declared.method.consumer_count else 1


if __name__ == "__main__":
    sys.exit(main())

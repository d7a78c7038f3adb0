import asyncio
import json
import logging
import random
import time
from collections.abc import Iterable, Sequence
from functools import partial
from http import HTTPStatus

from shared import clock, settings
from shared.clients.webhook_client import Answer, NotReached, WebhookClient, webhook_client
from shared.database import transaction
from shared.models.task import Task
from shared.models.webhook import DeliveryStatus, WebhookDelivery, WebhookEndpoint, WebhookSecret
from shared.process.parallel import for_each
from shared.repositories import webhook_sending as repository
from shared.repositories.users import UserRepository
from shared.repositories.webhook_secrets import WebhookSecretRepository
from shared.repositories.webhook_sending import Attempt
from shared.schemas.task import TaskRead
from shared.schemas.webhook import webhook_id
from shared.security import webhook_signatures
from shared.services.sessions import is_in_use

logger = logging.getLogger(__name__)

ENDPOINTS_AT_A_TIME = 10
DELIVERIES_AT_A_TIME = 5
BATCH_WITHOUT_SENDING = 100
BUSY_SECONDS = 5  # then the next doorbell goes on: whoever sends has a time limit
JITTER = 0.1
THROTTLE_SECONDS = 60  # a receiver that is overloaded and does not say for how long
LONGEST_PAUSE_SECONDS = 86400
OVERLOADED = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

Due = Sequence[tuple[WebhookDelivery, Task]]


async def send_due(client: WebhookClient | None = None) -> None:
    """Send the webhooks that are due, endpoint by endpoint, for some seconds.

    Ten endpoints are served at a time, and each place takes the next endpoint as soon as it is
    free, so that those that do not answer leave the others their turn. A webhook is sent twice if
    its sender dies between the receiver's answer and the database's; its id is the same.
    """
    end = time.monotonic() + BUSY_SECONDS
    serve = partial(_serve_until, end, client or webhook_client())
    claimed = await _claim(ENDPOINTS_AT_A_TIME)
    await for_each(claimed, serve, at_a_time=ENDPOINTS_AT_A_TIME)


async def _claim(limit: int) -> Sequence[WebhookEndpoint]:
    async with transaction() as session:
        return await repository.claim(session, limit=limit)


async def _serve_until(end: float, client: WebhookClient, endpoint: WebhookEndpoint) -> None:
    waiting = [endpoint]
    while waiting:
        await _serve(client, waiting.pop())
        if time.monotonic() < end:
            waiting.extend(await _claim(1))


async def _serve(client: WebhookClient, endpoint: WebhookEndpoint) -> None:
    """Send what is due to one endpoint: one webhook if the last one failed, otherwise some."""
    async with transaction(writing=False) as session:
        limit = 1 if endpoint.failures else DELIVERIES_AT_A_TIME
        due = await repository.due(session, endpoint, limit=limit)
        secrets = await WebhookSecretRepository(session, owner_id=endpoint.user_id).live()
        owner = await UserRepository(session).get(endpoint.user_id)
    if endpoint.disabled_at is not None or owner is None or not is_in_use(owner):
        async with transaction() as session:
            await repository.give_up(session, endpoint, limit=BATCH_WITHOUT_SENDING)
            await repository.release(session, endpoint, failures=0, pause_seconds=0)
        return
    answers = await _send(client, endpoint, due, secrets)
    failed = [answer for answer in answers if not _succeeded(answer)]
    failures = endpoint.failures + len(failed) if len(failed) == len(answers) else 0
    async with transaction() as session:
        await repository.release(
            session, endpoint, failures=failures, pause_seconds=max(map(_pause, failed), default=0)
        )


async def _send(
    client: WebhookClient, endpoint: WebhookEndpoint, due: Due, secrets: Sequence[WebhookSecret]
) -> list[Answer | NotReached]:
    salts = [secret.salt for secret in secrets]
    try:
        address = await client.find(endpoint.url)
    except NotReached as error:
        for delivery, _ in due:
            await _note(endpoint, delivery, error)
        return [error for _ in due]
    return await asyncio.gather(
        *(_attempt(client, endpoint, address, delivery, task, salts) for delivery, task in due)
    )


async def _attempt(
    client: WebhookClient,
    endpoint: WebhookEndpoint,
    address: str,
    delivery: WebhookDelivery,
    task: Task,
    salts: Iterable[bytes],
) -> Answer | NotReached:
    body = _body(delivery, task)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Lampwork-Webhooks/1",
        **webhook_signatures.headers(
            webhook_id(delivery.id),
            int(clock.now().timestamp()),
            body,
            user_id=delivery.user_id,
            salts=salts,
        ),
    }
    answer: Answer | NotReached
    try:
        answer = await client.post(endpoint.url, address, headers, body)
    except NotReached as error:
        answer = error
    await _note(endpoint, delivery, answer)
    return answer


def _body(delivery: WebhookDelivery, task: Task) -> bytes:
    assert task.finished_at  # noqa: S101 - a task whose end is told has one
    document = {
        "type": delivery.event_type,
        "timestamp": clock.iso(task.finished_at),
        "data": TaskRead.of(task).model_dump(mode="json"),
    }
    return json.dumps(document, separators=(",", ":")).encode()


async def _note(
    endpoint: WebhookEndpoint, delivery: WebhookDelivery, answer: Answer | NotReached
) -> None:
    """Write how an attempt went, and what follows from it."""
    if isinstance(answer, Answer):
        attempt, said = Attempt(status=answer.status), "A webhook was sent"
    else:
        attempt, said = Attempt(error=str(answer)), "A webhook was not sent"
    pauses = settings.webhooks().retry_seconds
    async with transaction() as session:
        if _succeeded(answer):
            await repository.finish(session, delivery, DeliveryStatus.DELIVERED, attempt)
        elif attempt.status == HTTPStatus.GONE:
            await repository.finish(session, delivery, DeliveryStatus.DISABLED, attempt)
            await repository.disable(session, endpoint)
        elif delivery.attempts >= len(pauses):
            await repository.finish(session, delivery, DeliveryStatus.FAILED, attempt)
        else:
            seconds = pauses[delivery.attempts] * (1 + random.uniform(0, JITTER))  # noqa: S311
            await repository.try_later(
                session, delivery, attempt, seconds=max(seconds, _pause(answer))
            )
    logger.info(
        said,
        extra={
            "delivery_id": str(delivery.id),
            "task_id": str(delivery.task_id),
            "attempt": delivery.attempts + 1,
            "status": attempt.status,
            "error": attempt.error,
        },
    )


def _succeeded(answer: Answer | NotReached) -> bool:
    return isinstance(answer, Answer) and 200 <= answer.status < 300


def _pause(answer: Answer | NotReached) -> float:
    """For how many seconds an endpoint gets nothing more: an overloaded receiver says so."""
    if not isinstance(answer, Answer) or answer.status not in OVERLOADED:
        return 0
    return min(answer.retry_after_seconds or THROTTLE_SECONDS, LONGEST_PAUSE_SECONDS)

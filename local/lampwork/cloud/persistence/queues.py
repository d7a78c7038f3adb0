from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from moto.sqs.models import Queue, SQSBackend

from lampwork.cloud.backends import backend
from lampwork.cloud.persistence.kept_state import Changes, Request, Touched
from lampwork.cloud.persistence.pickling import attributes, freeze, thaw
from lampwork.cloud.persistence.state_file import StateFile

PREFIX: Final = "sqs/"
# Messages have rows of their own; the rest is made anew.
NOT_KEPT: Final = (
    *("_messages", "_pending_messages", "_messages_lock", "deleted_messages"),
    *("dead_letter_queue", "recent_deduplication"),
)

Signature = tuple[Any, ...]


class KeptQueues:
    """SQS: queues and their messages. What was received and not deleted before a restart can be
    received at once after it, since its receiver has mostly gone too; its receive count is kept.
    """

    def __init__(self) -> None:
        self._touched = Touched()
        self._kept: dict[tuple[str, str], dict[str, Signature]] = {}
        self._settings: dict[tuple[str, str], bytes] = {}

    def load(self, state: StateFile) -> None:
        for key, value in state.read(PREFIX):
            region, name, *message = key.split("/")
            if message:
                self._load_message(region, name, thaw(value))
            else:
                self._load_queue(region, name, value)
        for region, name in self._settings:
            _find_dead_letter_queue(backend("sqs", region).queues[name])
        for method in ("get_queue", "create_queue"):
            setattr(SQSBackend, method, self._noting(getattr(SQSBackend, method)))

    def changes(self, request: Request) -> Changes:
        changes: dict[str, bytes | None] = {}
        for each in self._touched.take():
            region, name = cast(tuple[str, str], each)
            queue = backend("sqs", region).queues.get(name)
            if queue is None:
                changes.update(self._gone(region, name))
                continue
            changes.update(self._changes(region, queue))
            if queue.dead_letter_queue is not None:
                changes.update(self._changes(region, queue.dead_letter_queue))
        return changes

    def _noting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(backend: Any, *args: Any, **options: Any) -> Any:
            name = args[0] if args else options.get("queue_name", options.get("name"))
            self._touched.add((backend.region_name, name))
            return method(backend, *args, **options)

        return noted

    def _changes(self, region: str, queue: Any) -> Iterator[tuple[str, bytes | None]]:
        identity = (region, queue.name)
        settings = freeze(attributes(queue, without=NOT_KEPT))
        if self._settings.get(identity) != settings:
            self._settings[identity] = settings
            yield _key(region, queue.name), settings
        kept = self._kept.setdefault(identity, {})
        present = {message.id: message for message in list(queue._messages)}
        for gone in kept.keys() - present.keys():
            del kept[gone]
            yield _key(region, queue.name, gone), None
        for message_id, message in present.items():
            if kept.get(message_id) != (signature := _signature(message)):
                kept[message_id] = signature
                yield _key(region, queue.name, message_id), freeze(message)

    def _gone(self, region: str, name: str) -> Iterator[tuple[str, bytes | None]]:
        self._settings.pop((region, name), None)
        yield _key(region, name), None
        for message_id in self._kept.pop((region, name), {}):
            yield _key(region, name, message_id), None

    def _load_queue(self, region: str, name: str, settings: bytes) -> None:
        kind: Any = Queue
        queue = kind(name, region, backend("sqs", region).account_id)
        vars(queue).update(thaw(settings))
        backend("sqs", region).queues[name] = queue
        self._settings[(region, name)] = settings
        self._kept[(region, name)] = {}

    def _load_message(self, region: str, name: str, message: Any) -> None:
        message.visible_at = 0
        backend("sqs", region).queues[name]._messages.append(message)
        self._kept[(region, name)][message.id] = _signature(message)


def _key(*parts: str) -> str:
    return PREFIX + "/".join(parts)


def _signature(message: Any) -> Signature:
    return (message.approximate_receive_count, message.visible_at, message.delayed_until)


def _find_dead_letter_queue(queue: Any) -> None:
    if queue.redrive_policy:
        name = queue.redrive_policy["deadLetterTargetArn"].rpartition(":")[2]
        queue.dead_letter_queue = backend("sqs", queue.region).queues.get(name)

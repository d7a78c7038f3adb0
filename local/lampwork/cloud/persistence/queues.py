from collections.abc import Iterator
from typing import Final, cast

from lampwork.cloud.moto_seam import sqs
from lampwork.cloud.moto_seam.sqs import Message, Queue
from lampwork.cloud.persistence.kept_state import Changes, Request, Touched
from lampwork.cloud.persistence.pickling import freeze, thaw
from lampwork.cloud.persistence.state_file import StateFile

PREFIX: Final = "sqs/"

Signature = tuple[int, float, float]


class KeptQueues:
    """Stores SQS's queues and their messages.

    A message that was received but not deleted before a restart can be received at once after it,
    because its receiver has usually ended too. The message keeps its receive count.
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
        for queue in sqs.all_queues():
            sqs.find_dead_letter_queue(queue)
        sqs.note_named(lambda region, name: self._touched.add((region, name)))

    def changes(self, request: Request) -> Changes:
        changes: dict[str, bytes | None] = {}
        for each in self._touched.take():
            region, name = cast(tuple[str, str], each)
            queue = sqs.find_queue(region, name)
            if queue is None:
                changes.update(self._gone(region, name))
                continue
            changes.update(self._changes(region, queue))
            if queue.dead_letter_queue is not None:
                changes.update(self._changes(region, queue.dead_letter_queue))
        return changes

    def _changes(self, region: str, queue: Queue) -> Iterator[tuple[str, bytes | None]]:
        identity = (region, queue.name)
        settings = freeze(sqs.settings(queue))
        if self._settings.get(identity) != settings:
            self._settings[identity] = settings
            yield _key(region, queue.name), settings
        kept = self._kept.setdefault(identity, {})
        present = {message.id: message for message in sqs.messages(queue)}
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
        sqs.restore_queue(region, name, thaw(settings))
        self._settings[(region, name)] = settings
        self._kept[(region, name)] = {}

    def _load_message(self, region: str, name: str, message: Message) -> None:
        if queue := sqs.find_queue(region, name):
            sqs.restore_message(queue, message)
        self._kept[(region, name)][message.id] = _signature(message)


def _key(*parts: str) -> str:
    return PREFIX + "/".join(parts)


def _signature(message: Message) -> Signature:
    return (message.approximate_receive_count, message.visible_at, message.delayed_until)

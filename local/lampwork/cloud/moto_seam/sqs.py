"""moto's queues and messages, and ways to be called when they are used."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from moto.sqs.models import Message, Queue, SQSBackend

from lampwork.cloud.moto_seam.backends import backend, present
from lampwork.stack.model import ACCOUNT_ID

__all__ = ["Message", "Queue"]

# Messages are stored separately from their queue. The rest is computed again.
NOT_SETTINGS: Final = (
    *("_messages", "_pending_messages", "_messages_lock", "deleted_messages"),
    *("dead_letter_queue", "recent_deduplication"),
)


def all_queues() -> Iterator[Queue]:
    """The queues of all regions."""
    for region, _ in present("sqs"):
        yield from queues(region)


def queues(region: str) -> list[Queue]:
    """The queues of a region. This is a copy, because other threads change moto's own."""
    return list(_state(region).queues.values())


def find_queue(region: str, name: str) -> Queue | None:
    return _state(region).queues.get(name)


def named_queue(region: str, name: str) -> Queue:
    """The queue of this name, looked up as a request does it.

    So the callback of `note_named` is called, and changes of the queue are stored.
    """
    return _state(region).get_queue(name)


def create_queue(region: str, name: str) -> Queue:
    return _state(region).create_queue(name)


def restore_queue(region: str, name: str, settings: Mapping[str, Any]) -> None:
    kind: Any = Queue  # as Any, because a method of its base class is still abstract
    queue = kind(name, region, ACCOUNT_ID)
    vars(queue).update(settings)
    _state(region).queues[name] = queue


def settings(queue: Queue) -> dict[str, Any]:
    """The settings that `restore_queue` takes. moto's own types of dictionary become plain ones."""
    return {
        name: dict(each) if isinstance(each, dict) else each
        for name, each in vars(queue).items()
        if name not in NOT_SETTINGS
    }


def set_visibility_timeout(queue: Queue, seconds: int) -> None:
    state: Any = queue  # as Any, because moto sets the attributes in a way that hides their types
    state.visibility_timeout = seconds


def find_dead_letter_queue(queue: Queue) -> None:
    """Connect a restored queue to its dead-letter queue."""
    if queue.redrive_policy:
        name = queue.redrive_policy["deadLetterTargetArn"].rpartition(":")[2]
        queue.dead_letter_queue = find_queue(queue.region, name)


def send(region: str, queue: str, body: str) -> None:
    """Put one of the emulator's own messages into a queue. SQS's limits do not apply to it."""
    message = Message(str(uuid.uuid4()), body)
    message.mark_sent()
    named_queue(region, queue).add_message(message)


def messages(queue: Queue) -> list[Message]:
    """All messages, even those that cannot be received now.

    This is a copy, because other threads change moto's own.
    """
    return list(queue._messages)


def restore_message(queue: Queue, message: Message) -> None:
    """Put a stored message back. It can be received at once, even if it was in flight."""
    message.visible_at = 0
    queue._messages.append(message)


def bring_back(
    queue: Queue, kept_settings: Mapping[str, Any] | None, kept_messages: list[Message]
) -> None:
    """Give a queue these messages alone, and these settings, unless they are to stay."""
    with queue._messages_lock:
        vars(queue).update(kept_settings or {})
        queue._messages = kept_messages
        queue._pending_messages.clear()
        queue.deleted_messages.clear()
        set_recent_deduplication(queue, {})


def due_in(message: Message, now: float) -> float:
    """In how many seconds a message can be received, at `now` in seconds since 1970; 0 and less if
    it can be then."""
    return max(message.visible_at, message.delayed_until) / 1000 - now


def look_again(queue: Queue) -> None:
    """Let long polls see that messages can be received that could not before."""
    with queue._messages_lock:
        queue._messages_lock.notify_all()


def remove_queue(region: str, name: str) -> None:
    _state(region).queues.pop(name, None)


def take_out(queue: Queue, message: Message) -> None:
    queue._messages.remove(message)
    queue.pending_messages.discard(message)  # otherwise it would block its group for ever


def renewed(message: Message) -> Message:
    """A new message with the content of the old one, and a new id and deduplication id."""
    again = Message(str(uuid.uuid4()), message.body, message.system_attributes)
    again.message_attributes = message.message_attributes
    again.group_id, again.sequence_number = message.group_id, message.sequence_number
    if message.deduplication_id is not None:
        again.deduplication_id = str(uuid.uuid4())
    again.mark_sent()
    return again


def sent_at(message: Message) -> int:
    """The time at which a message was sent, in milliseconds since 1970."""
    moment: Any = message.sent_timestamp  # as Any, because only an unsent message has None
    return int(moment)


def source_arn(message: Message) -> str | None:
    """The ARN of the queue to which a message was first sent; None if it was not noted."""
    arn: str | None = vars(message).get("source_arn")
    return arn


def note_source(message: Message, queue: Queue) -> None:
    """Note the queue of a message. A dead letter keeps the queue from which it came."""
    vars(message).setdefault("source_arn", queue.queue_arn)


def note_trace_header(message: Message, header: str) -> None:
    """Give a message the system attribute AWSTraceHeader, unless its sender has."""
    value = {"DataType": "String", "StringValue": header}
    message.system_attributes.setdefault("AWSTraceHeader", value)


def recent_deduplication(queue: Queue) -> dict[str, int]:
    """The deduplication ids that `set_recent_deduplication` has set.

    Each has the time at which it was sent, in milliseconds since 1970.
    """
    recent: dict[str, int] = vars(queue).get("recent_deduplication", {})
    return recent


def set_recent_deduplication(queue: Queue, recent: dict[str, int]) -> None:
    vars(queue)["recent_deduplication"] = recent


def admit_messages(admits: Callable[[Queue, Message], bool]) -> None:
    """From now on, a message enters a queue only if `admits` returns true."""
    kind: Any = Queue
    add_message = kind.add_message

    def add_admitted(queue: Queue, message: Message) -> None:
        if admits(queue, message):
            add_message(queue, message)

    kind.add_message = add_admitted


def note_named(note: Callable[[str, str], None]) -> None:
    """From now on, call `note` with the region and the name of each queue that a request names."""

    def noting(method: Callable[..., Queue]) -> Callable[..., Queue]:
        def noted(state: SQSBackend, *args: Any, **options: Any) -> Queue:
            name = args[0] if args else options.get("queue_name", options.get("name"))
            note(state.region_name, str(name))
            return method(state, *args, **options)

        return noted

    for method in ("get_queue", "create_queue"):
        setattr(SQSBackend, method, noting(getattr(SQSBackend, method)))


def hide_queues(is_hidden: Callable[[str], bool]) -> None:
    """From now on, ListQueues omits the queues for whose names `is_hidden` returns true."""
    kind: Any = SQSBackend
    list_queues = kind.list_queues

    def list_shown(state: SQSBackend, queue_name_prefix: str) -> list[Queue]:
        found = list_queues(state, queue_name_prefix)
        return [queue for queue in found if not is_hidden(queue.name)]

    kind.list_queues = list_shown


def _state(region: str) -> SQSBackend:
    state: SQSBackend = backend("sqs", region)
    return state

from dramatiq import Message, MessageProxy


def is_readable(message: Message[object] | MessageProxy, queue_name: str) -> bool:
    """Whether a decoded message can be given to an actor of this queue.

    Dramatiq checks no types when it decodes; wrong ones raise only later, in the thread that reads
    the queue.
    """
    parts = (message.message_id, message.actor_name, message.kwargs, message.options)
    well_typed = all(map(isinstance, parts, (str, str, dict, dict)))
    return well_typed and message.queue_name == queue_name

from collections.abc import Callable
from datetime import timedelta


class StackClock:
    """The time of a stack, as far as AWS itself would measure it."""

    def __init__(self, move: Callable[[float], None]) -> None:
        self._move = move

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Move the time on. What becomes due meanwhile is done in its order, each before the time
        goes on: schedules fire, hidden and delayed messages come, failed events are tried again,
        authorizers' answers and usage plans end, and so do idle and old sockets.

        Functions' own clock does not move, nor do tokens, presigned URLs, durable functions, state
        machines, batching windows and time-outs.

        Raises:
            LampworkError: what is due is not done within the stack's time-out.
            ValueError: the time cannot go back.
        """
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        if span < 0:
            raise ValueError("The time cannot go back.")
        self._move(span)

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.stream import frames
from shared.stream.connections import Cursor
from shared.stream.reader import Event, Reader

MAX_REPLAYED = 500


@dataclass(frozen=True, slots=True)
class Frame:
    """`kind` is "snapshot" or "update"."""

    kind: str
    sequence: int
    text: str


@dataclass
class History:
    """A task's newest event, and the earlier ones that some connection has not seen yet."""

    events: Sequence[Event]
    _updates: dict[int, Frame] = field(default_factory=dict)

    @classmethod
    async def read(cls, of: Reader, task_id: UUID, cursors: Sequence[Cursor]) -> "History | None":
        """None when there is no such task any more."""
        latest = await of.latest(task_id)
        if latest is None:
            return None
        start = min(_first_needed(cursor, latest.sequence) for cursor in cursors)
        if start >= latest.sequence:
            return cls([latest])
        found = await of.events_after(task_id, start - 1, latest.sequence - start)
        return cls([*(event for event in found if event.sequence < latest.sequence), latest])

    @property
    def latest(self) -> Event:
        return self.events[-1]

    def frames_for(self, cursor: Cursor) -> Iterator[Frame]:
        """The frames that bring a connection from its cursor to the newest event, in order.

        Updates follow one another without a gap. Where the events of a gap are gone, or are too
        many, the newest state is sent as a snapshot instead.
        """
        if cursor.sequence is not None:
            missed = self._between(cursor.sequence, self.latest.sequence)
            yield from self._each(missed) if missed is not None else self._begin_anew()
            return
        replay = self._between(_first_shown(cursor) - 1, self.latest.sequence)
        if replay:
            yield self._snapshot(replay[0], resumed=None if cursor.after is None else True)
            yield from self._each(replay[1:])
        else:
            yield from self._begin_anew(resumed=None if cursor.after is None else False)

    def _begin_anew(self, *, resumed: bool | None = False) -> Iterator[Frame]:
        yield self._snapshot(self.latest, resumed=resumed)

    def _between(self, sequence: int, last: int) -> Sequence[Event] | None:
        """The events after `sequence`; None if some are missing or there are too many."""
        if sequence >= last:
            return []
        found = [event for event in self.events if event.sequence > sequence]
        complete = len(found) == last - sequence
        return found if complete and len(found) <= MAX_REPLAYED + 1 else None

    def _each(self, events: Sequence[Event]) -> Iterator[Frame]:
        for event in events:
            if event.sequence not in self._updates:  # the same text for every connection
                text = frames.update(event.payload)
                self._updates[event.sequence] = Frame("update", event.sequence, text)
            yield self._updates[event.sequence]

    def _snapshot(self, event: Event, *, resumed: bool | None) -> Frame:
        text = frames.snapshot(event.payload, resumed=resumed)
        return Frame("snapshot", event.sequence, text)


def _first_needed(cursor: Cursor, latest: int) -> int:
    """The first sequence to read for a connection; only the newest if it lags too far behind."""
    first = _first_shown(cursor) if cursor.sequence is None else cursor.sequence + 1
    return first if latest - first <= MAX_REPLAYED else latest


def _first_shown(cursor: Cursor) -> int:
    """A client that resumes without having seen anything begins with the first event."""
    return cursor.first if cursor.after is None else max(cursor.after, 1)

from typing import Final, cast

from lampwork.cloud.moto_seam import s3
from lampwork.cloud.moto_seam.s3 import Tags
from lampwork.cloud.persistence.kept_state import Changes, Request, Touched
from lampwork.cloud.persistence.objects import READING
from lampwork.cloud.persistence.pickling import freeze, thaw
from lampwork.cloud.persistence.state_file import StateFile

PREFIX: Final = "s3/"
TAGS: Final = "s3-tags/"


class KeptBuckets:
    """Stores the settings of buckets and the tags of buckets and objects.

    `KeptObjects` must load first, because it creates the buckets.
    """

    def __init__(self) -> None:
        self._touched = Touched()
        self._buckets: dict[str, bytes] = {}
        self._tags: dict[str, Tags] = {}

    def load(self, state: StateFile) -> None:
        for name, value in state.read(PREFIX):
            if bucket := s3.buckets().get(name):
                s3.restore_settings(bucket, thaw(value))
        self._tags = {arn: thaw(value) for arn, value in state.read(TAGS)}
        s3.note_tags(self._touched.add, self._tags)

    def changes(self, request: Request) -> Changes:
        touched = cast(set[str], set(self._touched.take()))
        changed = self._changed_buckets() if _may_change_buckets(request) else {}
        return {**changed, **self._changed_tags(touched)}

    def _changed_buckets(self) -> Changes:
        buckets = list(s3.buckets().items())  # a copy, because other threads change them
        present = {PREFIX + name: freeze(s3.settings(bucket)) for name, bucket in buckets}
        changed = {key: value for key, value in present.items() if self._buckets.get(key) != value}
        gone = self._buckets.keys() - present.keys()
        self._buckets = present
        return {**changed, **dict.fromkeys(gone)}

    def _changed_tags(self, touched: set[str]) -> Changes:
        """The changed tags. moto has an entry for every object; only those with tags are stored."""
        tags = s3.tags()
        changes: dict[str, bytes | None] = {}
        for arn in touched:
            present = dict(tags.get(arn, {}))
            if present != self._tags.get(arn, {}):
                changes[TAGS + arn] = freeze(present) if present else None
                self._tags[arn] = present
        return changes


def _may_change_buckets(request: Request) -> bool:
    """Whether the request may change a bucket. A request for one object never does."""
    is_s3 = request.service in ("s3", "")
    return is_s3 and request.method not in READING and not request.names_an_object

from typing import Any, Final, cast

from moto.utilities.tagging_service import TaggingService

from lampwork.cloud.backends import S3_REGION, backend
from lampwork.cloud.persistence.kept_state import Changes, Request, Touched
from lampwork.cloud.persistence.objects import READING
from lampwork.cloud.persistence.pickling import freeze, thaw
from lampwork.cloud.persistence.state_file import StateFile

PREFIX: Final = "s3/"
TAGS: Final = "s3-tags/"
# Objects are kept in files; an unfinished upload is begun anew.
NOT_KEPT: Final = ("keys", "multiparts")

Tags = dict[str, str | None]


class NotedTagging(TaggingService):
    """Tags of buckets and objects; notes whose change."""

    def __init__(self, touched: Touched) -> None:
        super().__init__()
        self._touched = touched

    def delete_all_tags_for_resource(self, arn: str) -> None:
        super().delete_all_tags_for_resource(arn)
        self._touched.add(arn)

    def tag_resource(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        super().tag_resource(arn, tags)
        self._touched.add(arn)

    def untag_resource_using_names(self, arn: str, tag_names: list[str]) -> None:
        super().untag_resource_using_names(arn, tag_names)
        self._touched.add(arn)


class KeptBuckets:
    """S3: the settings of buckets, and the tags of buckets and objects. Comes after the objects'
    own keeper, which makes the buckets."""

    def __init__(self) -> None:
        self._touched = Touched()
        self._buckets: dict[str, bytes] = {}
        self._tags: dict[str, Tags] = {}

    def load(self, state: StateFile) -> None:
        s3 = backend("s3", S3_REGION)
        for name, value in state.read(PREFIX):
            if name in s3.buckets:
                vars(s3.buckets[name]).update(thaw(value))
        self._tags = {arn: thaw(value) for arn, value in state.read(TAGS)}
        s3.tagger = NotedTagging(self._touched)
        s3.tagger.tags.update({arn: dict(tags) for arn, tags in self._tags.items()})

    def changes(self, request: Request) -> Changes:
        touched = cast(set[str], set(self._touched.take()))
        changed = self._changed_buckets() if _may_change_buckets(request) else {}
        return {**changed, **self._changed_tags(touched)}

    def _changed_buckets(self) -> Changes:
        buckets = list(backend("s3", S3_REGION).buckets.items())
        present = {PREFIX + name: _settings(bucket) for name, bucket in buckets}
        changed = {key: value for key, value in present.items() if self._buckets.get(key) != value}
        gone = self._buckets.keys() - present.keys()
        self._buckets = present
        return {**changed, **dict.fromkeys(gone)}

    def _changed_tags(self, touched: set[str]) -> Changes:
        """moto has an entry for every object; kept are those that have tags."""
        tags: dict[str, Tags] = backend("s3", S3_REGION).tagger.tags
        changes: dict[str, bytes | None] = {}
        for arn in touched:
            present = dict(tags.get(arn, {}))
            if present != self._tags.get(arn, {}):
                changes[TAGS + arn] = freeze(present) if present else None
                self._tags[arn] = present
        return changes


def _may_change_buckets(request: Request) -> bool:
    """What is asked of one object leaves the settings of buckets as they are."""
    is_s3 = request.service in ("s3", "")
    return is_s3 and request.method not in READING and not request.names_an_object


def _settings(bucket: Any) -> bytes:
    return freeze({k: v for k, v in vars(bucket).items() if k not in NOT_KEPT})
